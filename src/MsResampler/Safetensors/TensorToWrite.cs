using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>A tensor to be written: name, type, shape and the source of its elements.</summary>
public sealed class TensorToWrite
{
    private readonly TensorInfo _info;
    private readonly Action<long, Span<byte>> _fill;

    /// <summary>A tensor whose values are in memory.</summary>
    /// <param name="name">The name: any text except <c>__metadata__</c>.</param>
    /// <param name="type">F32, F16, BF16 or F64. Values are rounded to nearest even; a NaN stays a NaN.</param>
    /// <param name="shape">The extents, outermost first.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <exception cref="ArgumentException">The name, the type or the shape is invalid, or the number of values
    /// differs from the number of elements of the shape.</exception>
    public TensorToWrite(string name, TensorType type, IReadOnlyList<long> shape,
        ReadOnlyMemory<float> values)
        : this(name, type, shape, (first, destination) =>
            values.Span.Slice((int)first, destination.Length).CopyTo(destination)) =>
        RequireCount(ElementCount, values.Length, nameof(values));

    /// <summary>A tensor whose values are produced while it is written, and never held in memory as a
    /// whole.</summary>
    /// <param name="name">The name: any text except <c>__metadata__</c>.</param>
    /// <param name="type">F32, F16, BF16 or F64. Values are rounded to nearest even; a NaN stays a NaN.</param>
    /// <param name="shape">The extents, outermost first.</param>
    /// <param name="fill">Fills the span with the elements that start at the given index, row-major. The calls
    /// cover the elements in order, each once.</param>
    /// <exception cref="ArgumentException">The name, the type or the shape is invalid.</exception>
    public TensorToWrite(string name, TensorType type, IReadOnlyList<long> shape,
        Action<long, Span<float>> fill)
        : this(name, type, shape, (first, destination) => Convert(type, fill, first, destination))
    {
        ArgumentNullException.ThrowIfNull(fill);
        if (!ElementConversion.IsSupported(type))
        {
            throw new ArgumentException($"Tensor {Quote(name)}: expected F32, F16, BF16 or F64 for values " +
                $"in single precision, found {type}; give bytes instead.", nameof(type));
        }
    }

    private TensorToWrite(string name, TensorType type, IReadOnlyList<long> shape,
        Action<long, Span<byte>> fill)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(shape);
        long[] extents = [.. shape];
        if (name == SafetensorsHeader.MetadataName || !IsText(name))
        {
            throw new ArgumentException("Expected text other than " + SafetensorsHeader.MetadataName +
                $" for a tensor's name, found {Quote(name)}.", nameof(name));
        }

        if (extents.Any(extent => extent < 0))
        {
            throw new ArgumentException($"Tensor {Quote(name)}: expected extents of at least 0, found " +
                $"{TensorSize.Describe(extents)}.", nameof(shape));
        }

        SizeProblem problem = TensorSize.Compute(type, extents, out long elementCount, out long byteCount);
        if (problem != SizeProblem.None)
        {
            throw new ArgumentException($"Tensor {Quote(name)}: " +
                $"{TensorSize.Describe(problem, type, extents)}.", nameof(shape));
        }

        _info = new TensorInfo(name, type, extents, elementCount, firstByte: 0, byteCount, fileIndex: 0);
        _fill = fill;
    }

    /// <summary>The tensor's name.</summary>
    public string Name => _info.Name;

    /// <summary>The element type to store.</summary>
    public TensorType Type => _info.Type;

    /// <summary>The extents, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape => _info.Shape;

    /// <summary>The number of elements.</summary>
    public long ElementCount => _info.ElementCount;

    /// <summary>The number of bytes to store.</summary>
    public long ByteCount => _info.ByteCount;

    /// <summary>A tensor of any type, given by its bytes.</summary>
    /// <param name="name">The name: any text except <c>__metadata__</c>.</param>
    /// <param name="type">The type of the elements in <paramref name="bytes"/>.</param>
    /// <param name="shape">The extents, outermost first.</param>
    /// <param name="bytes">The elements, row-major, little-endian.</param>
    /// <exception cref="ArgumentException">The name or the shape is invalid, or the number of bytes differs from
    /// the size given by shape and type.</exception>
    public static TensorToWrite FromBytes(string name, TensorType type, IReadOnlyList<long> shape,
        ReadOnlyMemory<byte> bytes)
    {
        TensorToWrite tensor = FromBytes(name, type, shape,
            (first, destination) => bytes.Span.Slice((int)first, destination.Length).CopyTo(destination));
        tensor.RequireCount(tensor.ByteCount, bytes.Length, nameof(bytes));
        return tensor;
    }

    /// <summary>A tensor of any type, whose bytes are produced while it is written.</summary>
    /// <param name="name">The name: any text except <c>__metadata__</c>.</param>
    /// <param name="type">The type of the elements.</param>
    /// <param name="shape">The extents, outermost first.</param>
    /// <param name="fill">Fills the span with the bytes that start at the given index. The calls cover the bytes in
    /// order, each once.</param>
    /// <exception cref="ArgumentException">The name or the shape is invalid.</exception>
    public static TensorToWrite FromBytes(string name, TensorType type, IReadOnlyList<long> shape,
        Action<long, Span<byte>> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        return new TensorToWrite(name, type, shape, fill);
    }

    /// <summary>Whether a string survives the conversion to UTF-8 and back; a lone surrogate does not.</summary>
    internal static bool IsText(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) == text;

    /// <summary>Fills the span with the bytes to store that start at <paramref name="firstByte"/>, the first byte
    /// of an element.</summary>
    internal void Fill(long firstByte, Span<byte> destination) => _fill(firstByte, destination);

    private static void Convert(TensorType type, Action<long, Span<float>> fill, long firstByte,
        Span<byte> destination)
    {
        int elementBytes = TensorTypes.BitsOf(type) / 8;
        if (type == TensorType.F32)
        {
            fill(firstByte / elementBytes, MemoryMarshal.Cast<byte, float>(destination));
            return;
        }

        float[] rented = ArrayPool<float>.Shared.Rent(destination.Length / elementBytes);
        Span<float> values = rented.AsSpan(0, destination.Length / elementBytes);
        fill(firstByte / elementBytes, values);
        ElementConversion.FromSingle(type, values, destination);
        ArrayPool<float>.Shared.Return(rented);
    }

    private void RequireCount(long expected, int found, string parameter)
    {
        if (found != expected)
        {
            throw new ArgumentException($"Tensor {Quote(Name)}: expected {expected} {parameter} for " +
                $"{Type} {TensorSize.Describe([.. Shape])}, found {found}.", parameter);
        }
    }
}
