namespace MsResampler.Kernels;

/// <summary>A device that the CUDA driver shows this process.</summary>
/// <param name="Index">Its index, from 0; CUDA_VISIBLE_DEVICES selects and orders what is counted.</param>
/// <param name="Name">The maker's name for it.</param>
/// <param name="Architecture">Its architecture, such as 80 for sm_80.</param>
/// <param name="MultiprocessorCount">Its multiprocessors.</param>
/// <param name="MemoryBytes">Its memory in all.</param>
/// <param name="FreeBytes">Memory that nobody uses; null where the device cannot be opened.</param>
/// <param name="DriverVersion">The CUDA version that the driver supports, such as "12.4".</param>
/// <param name="UnusableBecause">Why the device cannot be used; null where it can.</param>
public sealed record CudaDeviceInfo(int Index, string Name, int Architecture, int MultiprocessorCount, long MemoryBytes,
    long? FreeBytes, string DriverVersion, string? UnusableBecause);
