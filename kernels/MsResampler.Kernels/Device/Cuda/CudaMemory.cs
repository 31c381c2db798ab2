namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Memory of a <see cref="CudaDevice"/>.</summary>
internal sealed class CudaMemory(CudaDevice device, ulong address, long byteCount) : IDeviceMemory
{
    /// <inheritdoc/>
    public ulong Address { get; } = address;

    /// <inheritdoc/>
    public long ByteCount { get; } = byteCount;

    /// <summary>The device it is on.</summary>
    public CudaDevice Device => device;

    /// <inheritdoc/>
    public void Dispose() => device.Release(this);
}
