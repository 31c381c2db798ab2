namespace MsResampler.Kernels.Device;

/// <summary>A part of device memory as a kernel sees it.</summary>
/// <param name="Address">The first element's address.</param>
/// <param name="Count">Elements.</param>
internal readonly record struct DeviceView(ulong Address, long Count)
{
    /// <summary>Bytes of a group of four floats.</summary>
    public const int VectorBytes = 16;

    /// <summary>Groups of four floats of <paramref name="memory"/>.</summary>
    public static DeviceView OfVectors(IDeviceMemory memory) => new(memory.Address, memory.ByteCount / VectorBytes);

    /// <summary>The elements from <paramref name="first"/> on, where an element is a group of four floats.</summary>
    public DeviceView From(long first, long count) => new(Address + ((ulong)first * VectorBytes), count);

    /// <summary>The same memory as single floats or integers.</summary>
    public DeviceView AsScalars() => new(Address, Count * 4);
}
