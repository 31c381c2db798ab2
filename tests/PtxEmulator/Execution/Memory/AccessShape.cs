namespace PtxEmulator.Execution;

/// <summary>How the addresses of a warp lie.</summary>
internal enum AccessShape
{
    Scattered,

    /// <summary>All 32 threads, side by side in their order.</summary>
    Contiguous,

    /// <summary>All 32 threads at one address.</summary>
    Uniform,
}
