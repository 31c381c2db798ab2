namespace MsResampler.Gguf;

/// <summary>One tensor of a GGUF file.</summary>
/// <param name="Name">The name.</param>
/// <param name="Type">The stored type.</param>
/// <param name="Shape">The extents, outermost first; a GGUF file stores them in reverse.</param>
/// <param name="ElementCount">The number of elements.</param>
/// <param name="FirstByte">The offset in the file.</param>
/// <param name="ByteCount">The number of bytes stored.</param>
internal sealed record GgufTensor(string Name, GgufTensorType Type, long[] Shape, long ElementCount, long FirstByte,
    long ByteCount);
