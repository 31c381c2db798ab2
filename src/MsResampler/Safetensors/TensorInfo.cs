namespace MsResampler.Safetensors;

/// <summary>The element types that a safetensors header can name.</summary>
public enum TensorType
{
    /// <summary>32-bit IEEE float.</summary>
    F32,

    /// <summary>16-bit IEEE float.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a 32-bit float.</summary>
    BF16,

    /// <summary>64-bit IEEE float.</summary>
    F64,
}

/// <summary>One tensor of a checkpoint: its name, element type, shape and place.</summary>
public sealed class TensorInfo
{
    internal TensorInfo(string name, TensorType type, long[] shape)
    {
        Name = name;
        Type = type;
        Shape = shape;
    }

    /// <summary>The tensor's name.</summary>
    public string Name { get; }

    /// <summary>The stored element type.</summary>
    public TensorType Type { get; }

    /// <summary>The extents, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The number of elements.</summary>
    public long ElementCount => throw new NotImplementedException();

    /// <summary>The number of bytes stored.</summary>
    public long ByteCount => throw new NotImplementedException();
}
