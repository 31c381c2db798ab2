namespace MsResampler.Kernels.Device;

/// <summary>What a device is.</summary>
/// <param name="Name">The maker's name for it.</param>
/// <param name="Architecture">The architecture whose PTX it runs, such as 80 for sm_80.</param>
/// <param name="MultiprocessorCount">Multiprocessors.</param>
/// <param name="MemoryBytes">Memory in all.</param>
/// <param name="MaxSharedBytes">The most shared memory that a block may ask for.</param>
internal sealed record DeviceProperties(string Name, int Architecture, int MultiprocessorCount, long MemoryBytes,
    int MaxSharedBytes);
