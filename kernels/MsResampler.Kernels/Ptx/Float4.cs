namespace MsResampler.Kernels.Ptx;

/// <summary>Four floats: 16 bytes of memory, or the accumulators of one lane for an m16n8 tile.</summary>
/// <param name="X">Element 0.</param>
/// <param name="Y">Element 1.</param>
/// <param name="Z">Element 2.</param>
/// <param name="W">Element 3.</param>
internal record struct Float4(float X, float Y, float Z, float W);
