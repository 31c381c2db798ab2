namespace MsResampler;

/// <summary>How the CPU backend keeps weights in memory. The tokens have the same bits with every value.</summary>
public enum WeightStorage
{
    /// <summary>In float32, whatever the checkpoint stores.</summary>
    Float32,

    /// <summary>Matrices that the checkpoint stores in float16 or bfloat16 keep these 16 bits, half the memory; others
    /// are in float32. While a part of a matrix is used, each thread holds it in float32.</summary>
    AsStored,
}
