using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Copies one weight to a new file: row-major, whatever the order in which it is stored, and converted to
/// another element type. Only a block of it is in memory at any time.</summary>
internal sealed class WeightCopy
{
    // A weight that is stored transposed is read in bands of this many bytes, so that each read takes many elements of
    // a stored row.
    private const int BandBytes = 16 << 20;

    private readonly WeightTensor _weight;
    private readonly string _source;
    private readonly string _name;
    private readonly TensorType _type;
    private readonly TensorType _storedType;
    private readonly int _storedBytes;
    private readonly int _bytes;
    private byte[] _band = [];
    private long _bandFirst;
    private int _bandCount;

    /// <inheritdoc cref="Create"/>
    public WeightCopy(WeightTensor weight, string source, string name, TensorType type)
    {
        _weight = weight;
        _source = source;
        _name = name;
        _type = type;
        // Products of integers and scales are exact in F64.
        _storedType = weight.StoredIntegers is null ? weight.Type : TensorType.F64;
        _storedBytes = TensorTypes.BitsOf(_storedType) / 8;
        _bytes = TensorTypes.BitsOf(type) / 8;
    }

    /// <summary>The tensor of a new file that receives the weight.</summary>
    /// <param name="weight">The weight; its file must be open when the tensor is written.</param>
    /// <param name="source">The name of its file, for messages.</param>
    /// <param name="name">The name of the tensor.</param>
    /// <param name="isVector">Whether the shape is [rows] instead of [rows, columns].</param>
    /// <param name="type">F32, F16, BF16 or F64. Values are rounded once, to nearest even; those that the type holds
    /// stay exact. Writing a value that rounds to infinity throws <see cref="InvalidModelException"/>.</param>
    public static TensorToWrite Create(WeightTensor weight, string source, string name, bool isVector, TensorType type)
        => TensorToWrite.FromBytes(name, type, isVector ? [weight.Rows] : [weight.Rows, weight.Columns],
            new WeightCopy(weight, source, name, type).Fill);

    /// <summary>Fills the span with the bytes of the new tensor that start at <paramref name="firstByte"/>, the first
    /// byte of an element. A weight that is stored transposed is read fastest in order.</summary>
    public void Fill(long firstByte, Span<byte> destination)
    {
        long first = firstByte / _bytes;
        int count = destination.Length / _bytes;
        if (_type == _storedType)
        {
            Read(first, destination);
            return;
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent(count * _storedBytes);
        float[] values = ArrayPool<float>.Shared.Rent(count);
        try
        {
            Span<byte> stored = rented.AsSpan(0, count * _storedBytes);
            Span<float> singles = values.AsSpan(0, count);
            Read(first, stored);
            if (_storedType == TensorType.F64)
                RoundToOdd(MemoryMarshal.Cast<byte, double>(stored), singles, isLast: _type == TensorType.F32);
            else
                ElementConversion.ToSingle(_storedType, stored, singles);
            if (_type == TensorType.F32)
                singles.CopyTo(MemoryMarshal.Cast<byte, float>(destination));
            else
                ElementConversion.FromSingle(_type, singles, destination);
            if (ElementConversion.HasUnusable(_type, destination))
                ThrowOutOfRange(first, stored, destination);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
            ArrayPool<float>.Shared.Return(values);
        }
    }

    /// <summary>Reads stored elements by their row-major index in the weight.</summary>
    private void Read(long first, Span<byte> destination)
    {
        if (_weight.StoredIntegers is not null)
        {
            _weight.ReadStored(first, MemoryMarshal.Cast<byte, double>(destination));
            return;
        }

        if (!_weight.IsStoredTransposed)
        {
            _weight.ReadStoredBytes(first, destination);
            return;
        }

        while (!destination.IsEmpty)
        {
            if (first < _bandFirst || first >= _bandFirst + _bandCount)
                ReadBand(checked((int)(first / _weight.Columns)));
            int offset = (int)(first - _bandFirst);
            int count = Math.Min(destination.Length / _storedBytes, _bandCount - offset);
            _band.AsSpan(offset * _storedBytes, count * _storedBytes).CopyTo(destination);
            destination = destination[(count * _storedBytes)..];
            first += count;
        }
    }

    /// <summary>Reads rows of a weight that is stored as [columns, rows].</summary>
    private void ReadBand(int firstRow)
    {
        int columns = _weight.Columns;
        int bandRows = Math.Clamp(BandBytes / _storedBytes / columns, 1, _weight.Rows);
        int rows = Math.Min(bandRows, _weight.Rows - firstRow);
        if (_band.Length == 0)
            _band = new byte[checked(bandRows * columns * _storedBytes)];
        byte[] column = ArrayPool<byte>.Shared.Rent(rows * _storedBytes);
        for (int index = 0; index < columns; index++)
        {
            Span<byte> stored = column.AsSpan(0, rows * _storedBytes);
            _weight.ReadStoredBytes(((long)index * _weight.Rows) + firstRow, stored);
            for (int row = 0; row < rows; row++)
                stored.Slice(row * _storedBytes, _storedBytes)
                    .CopyTo(_band.AsSpan(((row * columns) + index) * _storedBytes));
        }

        ArrayPool<byte>.Shared.Return(column);
        _bandFirst = (long)firstRow * columns;
        _bandCount = rows * columns;
    }

    /// <summary>Rounds to float32: to nearest if that is the <paramref name="isLast"/> rounding, and else to odd, which
    /// makes the next rounding, to half as many bits or fewer, that of the exact value (Boldo and Melquiond, Emulation
    /// of FMA and correctly rounded sums, 2008).</summary>
    private static void RoundToOdd(ReadOnlySpan<double> source, Span<float> destination, bool isLast)
    {
        for (int index = 0; index < source.Length; index++)
        {
            double value = source[index];
            float nearest = (float)value;
            if (!isLast && nearest != value && (BitConverter.SingleToUInt32Bits(nearest) & 1) == 0)
                nearest = nearest < value ? MathF.BitIncrement(nearest) : MathF.BitDecrement(nearest);
            destination[index] = nearest;
        }
    }

    private void ThrowOutOfRange(long first, ReadOnlySpan<byte> stored, ReadOnlySpan<byte> converted)
    {
        int index = 0;
        while (!ElementConversion.HasUnusable(_type, converted.Slice(index * _bytes, _bytes)))
            index++;
        double[] value = new double[1];
        ElementConversion.ToDouble(_storedType, stored.Slice(index * _storedBytes, _storedBytes), value);
        (long row, long column) = Math.DivRem(first + index, _weight.Columns);
        string largest = _type switch
        {
            TensorType.F16 => "65504",
            TensorType.BF16 => "3.39e38",
            _ => "3.40e38",
        };
        string found = value[0].ToString("R", CultureInfo.InvariantCulture);
        string place = _weight.Columns == 1 ? $"[{row}]" : $"[{row}, {column}]";
        string part = _name == _weight.Name ? "" : $" of {Quote(_name)}";
        throw new InvalidModelException(_source, [$"tensor {Quote(_weight.Name)}: expected values within the range " +
            $"of {_type}, up to {largest}, found {found} at {place}{part}"]);
    }
}
