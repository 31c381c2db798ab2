namespace MsResampler.Kernels.Device;

/// <summary>A range of device memory. <see cref="KernelArguments"/> counts it in the elements of a kernel's
/// parameter.</summary>
/// <param name="Address">The address of the first byte.</param>
/// <param name="ByteCount">The size in bytes.</param>
internal readonly record struct DeviceView(ulong Address, long ByteCount)
{
    /// <summary>Device memory is aligned to 256 bytes, and so are the parts of a buffer.</summary>
    private const int Alignment = 256;

    /// <summary>All of <paramref name="memory"/>.</summary>
    public static DeviceView Of(IDeviceMemory memory) => new(memory.Address, memory.ByteCount);

    /// <summary>Rounds a size up so that the part that follows is aligned.</summary>
    public static long Align(long byteCount) => (byteCount + Alignment - 1) / Alignment * Alignment;

    /// <summary>A part of the range.</summary>
    /// <param name="byteOffset">Bytes before the part.</param>
    /// <param name="byteCount">The size of the part in bytes.</param>
    public DeviceView Slice(long byteOffset, long byteCount) => new(Address + (ulong)byteOffset, byteCount);
}
