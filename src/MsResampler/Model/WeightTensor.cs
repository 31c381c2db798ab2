using System.Diagnostics;
using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>A weight of a model: a matrix [<see cref="Rows"/>, <see cref="Columns"/>], or a vector if there is one
/// column. The weight may be a slice of a stacked tensor or stored transposed; copies are always row-major in this
/// shape.</summary>
public sealed class WeightTensor
{
    private readonly ITensorSource _source;
    private readonly TensorInfo _tensor;
    private readonly long _firstElement;

    internal WeightTensor(ITensorSource source, TensorInfo tensor, int rows, int columns,
        long firstElement = 0, bool isStoredTransposed = false)
    {
        _source = source;
        _tensor = tensor;
        Rows = rows;
        Columns = columns;
        _firstElement = firstElement;
        IsStoredTransposed = isStoredTransposed;
    }

    /// <summary>The name of the tensor that contains the weight.</summary>
    public string Name => _tensor.Name;

    /// <summary>The stored element type.</summary>
    public TensorType Type => _tensor.Type;

    /// <summary>The number of rows; for a vector, the number of elements.</summary>
    public int Rows { get; }

    /// <summary>The number of columns; 1 for a vector.</summary>
    public int Columns { get; }

    /// <summary>The number of elements.</summary>
    public int Count => checked(Rows * Columns);

    /// <summary>Whether the tensor is stored as [<see cref="Columns"/>, <see cref="Rows"/>].</summary>
    internal bool IsStoredTransposed { get; }

    /// <summary>A row-major copy in single precision; F64 is rounded to nearest even.</summary>
    public float[] ToSingle()
    {
        float[] values = GC.AllocateUninitializedArray<float>(Count);
        _source.Read(_tensor, _firstElement, values);
        return IsStoredTransposed ? Transpose(values) : values;
    }

    /// <summary>A row-major copy in double precision; exact for every supported type.</summary>
    public double[] ToDouble()
    {
        double[] values = GC.AllocateUninitializedArray<double>(Count);
        _source.Read(_tensor, _firstElement, values);
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
        => _source.Read(_tensor, _firstElement + firstElement, destination);

    /// <summary>Copies the bytes of stored elements, in stored order, without conversion.</summary>
    internal void ReadStoredBytes(long firstElement, Span<byte> destination) => _source.ReadBytes(_tensor,
        (_firstElement + firstElement) * (TensorTypes.BitsOf(Type) / 8), destination);

    /// <summary>A weight that consists of <paramref name="rowCount"/> rows, starting at
    /// <paramref name="firstRow"/>.</summary>
    internal WeightTensor RowSlice(int firstRow, int rowCount)
        => new(_source, _tensor, rowCount, Columns, (long)firstRow * Columns, IsStoredTransposed);

    private T[] Transpose<T>(T[] stored)
    {
        T[] result = new T[stored.Length];
        for (int row = 0; row < Rows; row++)
            for (int column = 0; column < Columns; column++)
                result[(row * Columns) + column] = stored[(column * Rows) + row];
        return result;
    }
}
