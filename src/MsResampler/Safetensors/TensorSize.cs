namespace MsResampler.Safetensors;

internal enum SizeProblem
{
    None,
    Overflow,
    PartialByte,
}

/// <summary>The size of a tensor of a given type and shape.</summary>
internal static class TensorSize
{
    /// <summary>Computes the size of a tensor. Every extent must be at least 0.</summary>
    public static SizeProblem Compute(TensorType type, ReadOnlySpan<long> shape, out long elementCount,
        out long byteCount)
    {
        elementCount = 1;
        byteCount = 0;
        foreach (long extent in shape)
            if (Math.BigMul(elementCount, extent, out elementCount) != 0 || elementCount < 0)
                return SizeProblem.Overflow;
        if (Math.BigMul(elementCount, TensorTypes.BitsOf(type), out long bitCount) != 0 || bitCount < 0)
            return SizeProblem.Overflow;
        byteCount = bitCount / 8;
        return bitCount % 8 == 0 ? SizeProblem.None : SizeProblem.PartialByte;
    }

    public static string Describe(SizeProblem problem, TensorType type, ReadOnlySpan<long> shape) =>
        problem == SizeProblem.Overflow
            ? $"expected fewer than 2^63 elements and bits, found {type} {Describe(shape)}"
            : $"expected elements that fill whole bytes, found {type} {Describe(shape)} " +
                $"of {TensorTypes.BitsOf(type)} bits each";

    public static string Describe(ReadOnlySpan<long> shape) =>
        shape.Length <= 16 ? $"[{string.Join(", ", shape.ToArray())}]" : $"of {shape.Length} dimensions";
}
