using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Forward;

/// <summary>Device memory that lives until this object is disposed.</summary>
/// <param name="device">The device.</param>
/// <param name="stream">Copies tensors to the device and does other work with them; not used after
/// <see cref="Complete"/>.</param>
internal sealed class TensorStore(IDevice device, IDeviceStream stream) : IDisposable
{
    private readonly List<IDeviceMemory> _memories = [];
    private bool _isComplete;

    /// <summary>Allocates memory of undefined content.</summary>
    public IDeviceMemory Allocate(long byteCount)
    {
        IDeviceMemory memory = device.Allocate(byteCount);
        _memories.Add(memory);
        return memory;
    }

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
            memory ??= Allocate((long)partCount * bytes.Length);
            stream.Upload(bytes, memory, (long)index * bytes.Length);
        }

        return DeviceView.Of(memory!);
    }

    /// <summary>Waits for the stream's work.</summary>
    public void Complete()
    {
        stream.Synchronize();
        _isComplete = true;
    }

    /// <summary>Frees the memory. After a failure before <see cref="Complete"/> it waits for work that may still use
    /// it.</summary>
    public void Dispose()
    {
        if (!_isComplete)
            stream.Settle();
        _isComplete = true;
        foreach (IDeviceMemory memory in _memories)
            memory.Dispose();
        _memories.Clear();
    }
}
