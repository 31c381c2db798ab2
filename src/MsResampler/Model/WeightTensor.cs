using System.Buffers;
using System.Diagnostics;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>A weight of a model: a matrix [<see cref="Rows"/>, <see cref="Columns"/>], or a vector if there is one
/// column. The weight may be a slice of a stacked tensor, stored transposed, or stored as integers with one scale per
/// row; copies are always row-major in this shape.</summary>
public sealed class WeightTensor
{
    // Small enough to stay in the cache until it is converted.
    private const int BlockElementCount = 1 << 16;

    private readonly ITensorSource _source;
    private readonly TensorInfo _tensor;
    private readonly long _firstElement;
    private readonly float[]? _scales;

    internal WeightTensor(ITensorSource source, TensorInfo tensor, int rows, int columns,
        long firstElement = 0, bool isStoredTransposed = false, float[]? scales = null)
    {
        Debug.Assert(scales is null || !isStoredTransposed);
        _source = source;
        _tensor = tensor;
        Rows = rows;
        Columns = columns;
        _firstElement = firstElement;
        IsStoredTransposed = isStoredTransposed;
        _scales = scales;
    }

    /// <summary>The name of the tensor that contains the weight.</summary>
    public string Name => _tensor.Name;

    /// <summary>The stored element type. With I8 and I16 a weight is the product of its integer and the scale of its
    /// row.</summary>
    public TensorType Type => _tensor.Type;

    /// <summary>The number of rows; for a vector, the number of elements.</summary>
    public int Rows { get; }

    /// <summary>The number of columns; 1 for a vector.</summary>
    public int Columns { get; }

    /// <summary>The number of elements.</summary>
    public int Count => checked(Rows * Columns);

    /// <summary>Whether the tensor is stored as [<see cref="Columns"/>, <see cref="Rows"/>].</summary>
    internal bool IsStoredTransposed { get; }

    /// <summary>The type of the stored integers; null if floats are stored.</summary>
    internal IntegerType? StoredIntegers => _scales is null ? null
        : Type == TensorType.I8 ? IntegerType.Int8 : IntegerType.Int16;

    /// <summary>The type of the elements in memory: that of the tensor if it has 16 bits and
    /// <paramref name="storage"/> keeps them, otherwise float32.</summary>
    internal WeightType TypeIn(WeightStorage storage) => (storage, Type) switch
    {
        (WeightStorage.AsStored, TensorType.F16) => WeightType.Float16,
        (WeightStorage.AsStored, TensorType.BF16) => WeightType.BFloat16,
        _ => WeightType.Float32,
    };

    /// <summary>A row-major copy in single precision; F64, and products of integers and scales, are rounded to nearest
    /// even.</summary>
    public float[] ToSingle()
    {
        float[] values = GC.AllocateUninitializedArray<float>(Count);
        ReadStored(0, values);
        return IsStoredTransposed ? Transpose(values) : values;
    }

    /// <summary>A row-major copy in double precision; exact for every supported type.</summary>
    public double[] ToDouble()
    {
        double[] values = GC.AllocateUninitializedArray<double>(Count);
        ReadStored(0, values);
        return IsStoredTransposed ? Transpose(values) : values;
    }

    /// <summary>Reads rows in single precision, starting at <paramref name="firstRow"/>, until the destination is
    /// full. Large weights are read in parts this way. The weight must not be stored transposed.</summary>
    internal void ReadRows(int firstRow, Span<float> destination)
    {
        Debug.Assert(!IsStoredTransposed);
        ReadStored((long)firstRow * Columns, destination);
    }

    /// <summary>Reads elements in single precision, in stored order.</summary>
    internal void ReadStored(long firstElement, Span<float> destination)
    {
        if (_scales is null)
            _source.Read(_tensor, _firstElement + firstElement, destination);
        else
            ReadProducts(firstElement, destination, _scales);
    }

    /// <summary>Reads the bits of elements of a 16-bit type, in stored order.</summary>
    internal void ReadStored(long firstElement, Span<ushort> destination)
    {
        Debug.Assert(Type is TensorType.F16 or TensorType.BF16);
        ReadStoredBytes(firstElement, MemoryMarshal.AsBytes(destination));
    }

    /// <summary>Reads elements in double precision, in stored order.</summary>
    internal void ReadStored(long firstElement, Span<double> destination)
    {
        if (_scales is null)
            _source.Read(_tensor, _firstElement + firstElement, destination);
        else
            ReadProducts(firstElement, destination, _scales);
    }

    /// <summary>Reads the stored integers of rows and their scales, if the weight is stored as integers that products
    /// of a type take as they are. Those of 8 bits are also integers of 16.</summary>
    /// <param name="type">The type of the products.</param>
    /// <param name="firstRow">The first row.</param>
    /// <param name="integers">Receives whole rows, row-major.</param>
    /// <param name="scales">Receives one scale per row; a weight is its integer times the scale.</param>
    /// <returns>Whether the weight is stored so; if not, nothing is read, and the weights are to be rounded to integers
    /// by <see cref="WeightQuantiser"/>.</returns>
    internal bool TryReadIntegers(IntegerType type, int firstRow, Span<short> integers, Span<float> scales)
    {
        if (_scales is null || (type == IntegerType.Int8 && StoredIntegers != IntegerType.Int8))
            return false;
        Debug.Assert(integers.Length == (long)scales.Length * Columns);
        ReadIntegers((long)firstRow * Columns, integers);
        _scales.AsSpan(firstRow, scales.Length).CopyTo(scales);
        return true;
    }

    /// <summary>Copies the bytes of stored elements, in stored order, without conversion.</summary>
    internal void ReadStoredBytes(long firstElement, Span<byte> destination) => _source.ReadBytes(_tensor,
        (_firstElement + firstElement) * (TensorTypes.BitsOf(Type) / 8), destination);

    /// <summary>A weight that consists of <paramref name="rowCount"/> rows, starting at
    /// <paramref name="firstRow"/>.</summary>
    internal WeightTensor RowSlice(int firstRow, int rowCount)
    {
        Debug.Assert(_scales is null);
        return new(_source, _tensor, rowCount, Columns, (long)firstRow * Columns, IsStoredTransposed);
    }

    /// <summary>Reads products of integers and scales, each rounded once. Those of 16 and 24 bits are exact in double
    /// precision.</summary>
    private void ReadProducts<T>(long firstElement, Span<T> destination, float[] scales)
        where T : unmanaged, INumberBase<T>
    {
        short[] rented = ArrayPool<short>.Shared.Rent(Math.Min(BlockElementCount, destination.Length));
        try
        {
            while (!destination.IsEmpty)
            {
                Span<short> block = rented.AsSpan(0, Math.Min(BlockElementCount, destination.Length));
                ReadIntegers(firstElement, block);
                Span<T> values = destination[..block.Length];
                TensorPrimitives.ConvertTruncating<short, T>(block, values);
                destination = destination[block.Length..];
                while (!values.IsEmpty)
                {
                    (long row, long column) = Math.DivRem(firstElement, Columns);
                    Span<T> part = values[..(int)Math.Min(values.Length, Columns - column)];
                    TensorPrimitives.Multiply(part, T.CreateTruncating(scales[row]), part);
                    firstElement += part.Length;
                    values = values[part.Length..];
                }
            }
        }
        finally
        {
            ArrayPool<short>.Shared.Return(rented);
        }
    }

    private void ReadIntegers(long firstElement, Span<short> destination)
    {
        if (Type == TensorType.I16)
        {
            ReadStoredBytes(firstElement, MemoryMarshal.AsBytes(destination));
            return;
        }

        // The bytes are in the second half of the destination until they are widened, from the front.
        Span<sbyte> bytes = MemoryMarshal.Cast<short, sbyte>(destination)[destination.Length..];
        ReadStoredBytes(firstElement, MemoryMarshal.AsBytes(bytes));
        for (int index = 0; index < bytes.Length; index++)
            destination[index] = bytes[index];
    }

    private T[] Transpose<T>(T[] stored)
    {
        T[] result = new T[stored.Length];
        for (int row = 0; row < Rows; row++)
            for (int column = 0; column < Columns; column++)
                result[(row * Columns) + column] = stored[(column * Rows) + row];
        return result;
    }
}
