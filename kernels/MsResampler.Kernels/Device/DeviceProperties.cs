namespace MsResampler.Kernels.Device;

/// <summary>The properties of a device.</summary>
/// <param name="Name">The product name.</param>
/// <param name="Architecture">The compute capability, such as 80 for sm_80.</param>
/// <param name="MultiprocessorCount">The number of multiprocessors.</param>
/// <param name="MemoryBytes">The size of the memory.</param>
/// <param name="MaxSharedBytes">The largest shared memory of a block.</param>
/// <param name="IsHopper">Whether it is of sm_90 and its driver accepts the instructions of sm_90a.</param>
internal sealed record DeviceProperties(string Name, int Architecture, int MultiprocessorCount, long MemoryBytes,
    int MaxSharedBytes, bool IsHopper = false)
{
    /// <summary>What kernels are compiled for.</summary>
    public KernelTarget Target => new(Architecture, IsHopper);
}
