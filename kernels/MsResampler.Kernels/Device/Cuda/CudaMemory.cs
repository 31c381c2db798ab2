namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Memory of a <see cref="CudaDevice"/>.</summary>
/// <param name="device">The device.</param>
/// <param name="address">The address of the first byte.</param>
/// <param name="byteCount">The size in bytes.</param>
internal sealed class CudaMemory(CudaDevice device, ulong address, long byteCount) : IDeviceMemory
{
    /// <inheritdoc/>
    public ulong Address { get; } = address;

    /// <inheritdoc/>
    public long ByteCount { get; } = byteCount;

    /// <summary>The device of the memory.</summary>
    public CudaDevice Device => device;

    /// <inheritdoc/>
    public void Dispose() => device.Release(this);
}
