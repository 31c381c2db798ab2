using System.Runtime.InteropServices;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Tests.Devices;

/// <summary>A tensor of a caller in device memory.</summary>
internal sealed class DeviceArray : IDisposable
{
    private readonly IDeviceMemory _memory;

    public DeviceArray(IDevice device, DeviceElementType type, float[] values)
        : this(device, type, values.Length)
    {
        using IDeviceStream stream = device.CreateStream();
        stream.Upload(Encode(type, values), _memory);
        stream.Synchronize();
    }

    /// <summary>A tensor with undefined content.</summary>
    public DeviceArray(IDevice device, DeviceElementType type, int count)
    {
        _memory = device.Allocate(count * Encode(type, [0]).Length);
        Tensor = new DeviceTensor((nint)_memory.Address, count, type);
    }

    public DeviceTensor Tensor { get; }

    /// <summary>The values encoded in a type, rounded to nearest.</summary>
    public static byte[] Encode(DeviceElementType type, float[] values)
    {
        if (type == DeviceElementType.Float32)
            return MemoryMarshal.AsBytes<float>(values).ToArray();
        byte[] bytes = new byte[values.Length * sizeof(ushort)];
        ElementConversion.FromSingle(TypeOf(type), values, bytes);
        return bytes;
    }

    /// <summary>The values rounded to a type.</summary>
    public static float[] Round(DeviceElementType type, float[] values)
    {
        float[] result = new float[values.Length];
        ElementConversion.ToSingle(TypeOf(type), Encode(type, values), result);
        return result;
    }

    /// <summary>The content after all work is done.</summary>
    public byte[] Read(IDevice device)
    {
        byte[] bytes = new byte[_memory.ByteCount];
        using IDeviceStream stream = device.CreateStream();
        stream.Download(_memory, bytes);
        return bytes;
    }

    public void Dispose() => _memory.Dispose();

    private static TensorType TypeOf(DeviceElementType type) => type switch
    {
        DeviceElementType.Float16 => TensorType.F16,
        DeviceElementType.BFloat16 => TensorType.BF16,
        _ => TensorType.F32,
    };
}
