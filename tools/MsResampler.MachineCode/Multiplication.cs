namespace MsResampler.MachineCode;

/// <summary>What a step multiplies in each lane of 32 bits.</summary>
internal enum Multiplication
{
    /// <summary>Four unsigned bytes of activations with four signed bytes of weights (<c>vpdpbusd</c>).</summary>
    Bytes,

    /// <summary>Two signed 16-bit integers of each (<c>vpdpwssd</c>).</summary>
    Words,
}
