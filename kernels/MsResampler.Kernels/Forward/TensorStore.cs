using System.Runtime.InteropServices;
using MsResampler.Kernels.Device;

namespace MsResampler.Kernels.Forward;

/// <summary>Tensors that live on a device until this object is disposed.</summary>
/// <param name="device">The device.</param>
/// <param name="stream">Copies them; used by whoever adds tensors.</param>
internal sealed class TensorStore(IDevice device, IDeviceStream stream) : IDisposable
{
    private readonly List<IDeviceMemory> _memories = [];

    /// <summary>Allocates a tensor of undefined content.</summary>
    /// <param name="vectorCount">Groups of 16 bytes, at least 1.</param>
    public IDeviceMemory Allocate(long vectorCount)
    {
        IDeviceMemory memory = device.Allocate(vectorCount * DeviceView.VectorBytes);
        _memories.Add(memory);
        return memory;
    }

    /// <summary>Copies a tensor to the device; its size is a multiple of 16 bytes.</summary>
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
            memory ??= Allocate((long)partCount * bytes.Length / DeviceView.VectorBytes);
            stream.Upload(bytes, memory, (long)index * bytes.Length);
        }

        return DeviceView.OfVectors(memory!);
    }

    public void Dispose()
    {
        foreach (IDeviceMemory memory in _memories)
            memory.Dispose();
        _memories.Clear();
    }
}
