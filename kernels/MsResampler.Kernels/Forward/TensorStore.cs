using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Forward;

/// <summary>Device memory that lives until this object is disposed.</summary>
/// <param name="device">The device.</param>
/// <param name="stream">Copies tensors to the device; not used after the last <c>Add</c>.</param>
internal sealed class TensorStore(IDevice device, IDeviceStream stream) : IDisposable
{
    private readonly List<IDeviceMemory> _memories = [];

    /// <summary>Allocates memory of undefined content.</summary>
    public DeviceView Allocate(long byteCount) => DeviceView.Of(AllocateMemory(byteCount));

    /// <summary>Copies a tensor to the device.</summary>
    public DeviceView Add<T>(T[] values)
        where T : unmanaged => Add(1, _ => values);

    /// <summary>Copies equally long parts of one tensor to the device, one after another.</summary>
    public DeviceView Add<T>(int partCount, Func<int, T[]> part)
        where T : unmanaged
    {
        IDeviceMemory? memory = null;
        for (int index = 0; index < partCount; index++)
        {
            ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<T>(part(index));
            memory ??= AllocateMemory((long)partCount * bytes.Length);
            stream.Upload(bytes, memory, (long)index * bytes.Length);
        }

        return DeviceView.Of(memory!);
    }

    public void Dispose()
    {
        foreach (IDeviceMemory memory in _memories)
            memory.Dispose();
        _memories.Clear();
    }

    private IDeviceMemory AllocateMemory(long byteCount)
    {
        IDeviceMemory memory = device.Allocate(byteCount);
        _memories.Add(memory);
        return memory;
    }
}
