namespace MsResampler.Kernels;

/// <summary>A CUDA device that is visible to this process.</summary>
/// <param name="Index">The index, from 0. CUDA_VISIBLE_DEVICES selects and orders the devices.</param>
/// <param name="Uuid">The UUID, such as "GPU-1c8a0e2b-…", as nvidia-smi -L lists it. An instance of a GPU in MIG mode
/// has one of its own, which starts with "MIG-".</param>
/// <param name="Name">The product name.</param>
/// <param name="Architecture">The compute capability, such as 80 for sm_80.</param>
/// <param name="MultiprocessorCount">The number of multiprocessors.</param>
/// <param name="MemoryBytes">The size of the memory.</param>
/// <param name="FreeBytes">The size of the free memory; null if the device cannot be opened.</param>
/// <param name="DriverVersion">The CUDA version that the driver supports, such as "12.4".</param>
/// <param name="UnusableBecause">Why the device cannot be used; null if it can.</param>
public sealed record CudaDeviceInfo(int Index, string Uuid, string Name, int Architecture, int MultiprocessorCount,
    long MemoryBytes, long? FreeBytes, string DriverVersion, string? UnusableBecause);
