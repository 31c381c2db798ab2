namespace PtxEmulator.Execution;

/// <summary>The pattern of the addresses of a warp.</summary>
internal enum AccessShape
{
    Scattered,

    /// <summary>All 32 threads access contiguous addresses in thread order.</summary>
    Contiguous,

    /// <summary>All 32 threads access the same address.</summary>
    Uniform,
}
