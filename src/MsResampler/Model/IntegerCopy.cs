using System.Runtime.InteropServices;
using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Writes one matrix to a new file as integers with one scale per row. Stored integers of a suitable type are
/// copied; other weights are rounded by <see cref="WeightQuantiser"/> from their values in single precision, as when a
/// model is loaded. Only a row of the matrix, and what <see cref="WeightCopy"/> holds, is in memory at any
/// time.</summary>
internal sealed class IntegerCopy
{
    private readonly WeightTensor _weight;
    private readonly IntegerType _type;
    private readonly WeightCopy _singles;
    private readonly float[] _row;
    private readonly short[] _integers;
    private readonly float[] _scale = new float[1];
    private int _rowIndex = -1;

    private IntegerCopy(WeightTensor weight, string source, string name, IntegerType type)
    {
        _weight = weight;
        _type = type;
        _singles = new WeightCopy(weight, source, name, TensorType.F32);
        _row = new float[weight.Columns];
        _integers = new short[weight.Columns];
    }

    /// <summary>The two tensors of a new file that receive a matrix: the integers under <paramref name="name"/>, and
    /// the scales.</summary>
    /// <param name="weight">The matrix; its file must be open when the tensors are written.</param>
    /// <param name="source">The name of its file, for messages.</param>
    /// <param name="name">The name of the tensor of integers.</param>
    /// <param name="type">The type of the integers.</param>
    public static TensorToWrite[] Create(WeightTensor weight, string source, string name, IntegerType type)
    {
        IntegerCopy copy = new(weight, source, name, type);
        return
        [
            TensorToWrite.FromBytes(name, type.TensorTypeOf(), [weight.Rows, weight.Columns], copy.FillIntegers),
            new TensorToWrite(name + IntegerTypes.ScaleSuffix, TensorType.F32, [weight.Rows], copy.FillScales),
        ];
    }

    private void FillScales(long firstRow, Span<float> destination)
    {
        for (int index = 0; index < destination.Length; index++)
        {
            ReadRow((int)firstRow + index);
            destination[index] = _scale[0];
        }
    }

    private void FillIntegers(long firstByte, Span<byte> destination)
    {
        Span<short> wide = MemoryMarshal.Cast<byte, short>(destination);
        Span<sbyte> narrow = MemoryMarshal.Cast<byte, sbyte>(destination);
        int count = _type == IntegerType.Int8 ? narrow.Length : wide.Length;
        long first = _type == IntegerType.Int8 ? firstByte : firstByte / sizeof(short);
        for (int index = 0; index < count;)
        {
            (long row, long column) = Math.DivRem(first + index, _weight.Columns);
            ReadRow((int)row);
            ReadOnlySpan<short> part = _integers.AsSpan((int)column..);
            part = part[..Math.Min(part.Length, count - index)];
            if (_type == IntegerType.Int16)
                part.CopyTo(wide[index..]);
            else
                for (int k = 0; k < part.Length; k++)
                    narrow[index + k] = (sbyte)part[k];
            index += part.Length;
        }
    }

    /// <summary>The integers and the scale of a row. A row may extend over two blocks of the new file.</summary>
    private void ReadRow(int row)
    {
        if (row == _rowIndex)
            return;
        if (!_weight.TryReadIntegers(_type, row, _integers, _scale))
        {
            _singles.Fill((long)row * _weight.Columns * sizeof(float), MemoryMarshal.AsBytes(_row.AsSpan()));
            _scale[0] = WeightQuantiser.Quantise(_row, _type.MaxLevel(_weight.Columns), _integers);
        }

        _rowIndex = row;
    }
}
