using MsResampler.Cpu;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>The operands of one tile in the layout of a kernel, and its exact sums. The memory of every operand ends
/// where the operand ends, so that <see cref="GuardPages"/> shows a kernel that reads more.</summary>
internal sealed unsafe class TileOperands
{
    private readonly IntegerType _type;
    private readonly IntegerKernel _kernel;
    private readonly AlignedBuffer[] _rows;
    private readonly AlignedBuffer _panel;
    private readonly AlignedBuffer _sums;
    private readonly int _stepCount;
    private readonly int _skip;
    private readonly int _stride;
    private readonly int _width;

    /// <param name="kernel">The kernel.</param>
    /// <param name="type">The type of the weights.</param>
    /// <param name="length">The number of products per sum; the last step is padded with zero weights.</param>
    /// <param name="activation">The activation of a row at a position.</param>
    /// <param name="weight">The weight of a column at a position.</param>
    /// <param name="skip">Bytes from the start of a buffer to the row, to test rows at odd addresses.</param>
    /// <param name="stride">Steps from one step of a row to the next.</param>
    /// <param name="width">Columns of the panel; 0 for those of the kernel.</param>
    public TileOperands(IntegerKernel kernel, IntegerType type, int length, Func<int, int, int> activation,
        Func<int, int, int> weight, int skip = 0, int stride = 1, int width = 0)
    {
        _stride = stride;
        _width = width == 0 ? kernel.PanelWidth : width;
        _kernel = kernel;
        _type = type;
        _skip = skip;
        int stepLength = kernel.StepLength(type);
        _stepCount = (length + stepLength - 1) / stepLength;
        _rows = [.. Enumerable.Range(0, IntegerTile.RowCount).Select(_ => RowBuffer())];
        _panel = new AlignedBuffer(_stepCount * _width * (long)kernel.StepBytes(type) / sizeof(int));
        _sums = new AlignedBuffer(IntegerTile.RowCount * _width);
        Exact = new long[IntegerTile.RowCount * _width];
        for (int k = 0; k < _stepCount * stepLength; k++)
        {
            for (int row = 0; row < IntegerTile.RowCount; row++)
                SetActivation(row, k, activation(row, k));
            for (int column = 0; column < _width; column++)
                SetWeight(k, column, k < length ? weight(k, column) : 0);
        }

        for (int i = 0; i < Exact.Length; i++)
        {
            (int row, int column) = (i / _width, i % _width);
            for (int k = 0; k < length; k++)
                Exact[i] += (long)activation(row, k) * weight(k, column);
        }
    }

    /// <summary>The exact sums, [rows, columns].</summary>
    public long[] Exact { get; }

    /// <summary>Computes the tile into sums that hold other values before.</summary>
    /// <param name="rows">The row that each row of the tile reads; null for one each.</param>
    public long[] Multiply(int[]? rows = null)
    {
        _sums.Span.Fill(float.NaN);
        rows ??= [0, 1, 2, 3, 4, 5];
        IntegerTile tile = Tile(rows);
        if (_type == IntegerType.Int8)
            _kernel.MultiplyInt8(&tile);
        else
            _kernel.MultiplyInt16(&tile);
        return Sums();
    }

    /// <summary>Computes the tile as one of few terms, whose panel may be narrow.</summary>
    public long[] MultiplyShort()
    {
        _sums.Span.Fill(float.NaN);
        IntegerTile tile = Tile([0, 1, 2, 3, 4, 5]);
        _kernel.Multiply(&tile, _type, _width);
        return Sums();
    }

    /// <summary>Computes the tile with another function.</summary>
    public long[] Multiply(Action<nint> function)
    {
        _sums.Span.Fill(float.NaN);
        IntegerTile tile = Tile([0, 1, 2, 3, 4, 5]);
        function((nint)(&tile));
        return Sums();
    }

    private IntegerTile Tile(int[] rows) => new()
    {
        Row0 = Row(rows[0]),
        Row1 = Row(rows[1]),
        Row2 = Row(rows[2]),
        Row3 = Row(rows[3]),
        Row4 = Row(rows[4]),
        Row5 = Row(rows[5]),
        Panel = _panel.Pointer,
        StepCount = _stepCount,
        StepStride = _stride,
        Sums = (int*)_sums.Pointer,
    };

    private long[] Sums()
        => [.. new Span<int>(_sums.Pointer, _sums.Count).ToArray().Select(sum => (long)sum)];

    // A skipped row needs one more int, of which it leaves the last bytes unused.
    private AlignedBuffer RowBuffer() => new(((_stepCount - 1) * _stride) + 1 + (_skip == 0 ? 0 : 1));

    private int* Row(int index) => (int*)((byte*)_rows[index].Pointer + _skip);

    private bool HasByteActivations => _type == IntegerType.Int8 && _kernel.HasByteActivations;

    private void SetActivation(int row, int k, int value)
    {
        (int step, int index) = Math.DivRem(k, _kernel.StepLength(_type));
        int* target = Row(row) + ((nint)step * _stride);
        if (HasByteActivations)
            ((byte*)target)[index] = checked((byte)value);
        else
            ((short*)target)[index] = checked((short)value);
    }

    private void SetWeight(int k, int column, int value)
    {
        int stepLength = _kernel.StepLength(_type);
        nint index = (((nint)(k / stepLength) * _width) + column) * stepLength + (k % stepLength);
        if (_type == IntegerType.Int8)
            ((sbyte*)_panel.Pointer)[index] = checked((sbyte)value);
        else
            ((short*)_panel.Pointer)[index] = checked((short)value);
    }
}
