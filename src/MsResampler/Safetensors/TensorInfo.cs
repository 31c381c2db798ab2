namespace MsResampler.Safetensors;

/// <summary>One tensor of a checkpoint: name, element type, shape and location.</summary>
public sealed class TensorInfo
{
    internal TensorInfo(string name, TensorType type, long[] shape, long elementCount, long firstByte,
        long byteCount, int fileIndex)
        => (Name, Type, Shape, ElementCount, FirstByte, ByteCount, FileIndex)
            = (name, type, shape, elementCount, firstByte, byteCount, fileIndex);

    /// <summary>The tensor's name.</summary>
    public string Name { get; }

    /// <summary>The stored element type.</summary>
    public TensorType Type { get; }

    /// <summary>The extents, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The number of elements.</summary>
    public long ElementCount { get; }

    /// <summary>The number of bytes stored.</summary>
    public long ByteCount { get; }

    /// <summary>The offset of the tensor's bytes from the end of the file's header.</summary>
    internal long FirstByte { get; }

    /// <summary>The index, among the checkpoint's files, of the file that holds the tensor.</summary>
    internal int FileIndex { get; }
}
