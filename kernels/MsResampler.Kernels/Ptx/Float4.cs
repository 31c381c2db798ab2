namespace MsResampler.Kernels.Ptx;

/// <summary>Four floats: 16 bytes of memory, or one lane's accumulators of an m16n8 tile.</summary>
/// <param name="X">The first.</param>
/// <param name="Y">The second.</param>
/// <param name="Z">The third.</param>
/// <param name="W">The fourth.</param>
internal record struct Float4(float X, float Y, float Z, float W);
