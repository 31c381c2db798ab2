using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Constants per query and head that attention on one grid leaves out of its logits, in base 2. One softmax
/// over one frame removes them; between frames of unequal grids they differ.</summary>
/// <remarks>They are the shift of the bias along each axis (see <see cref="ScopeBias.RowOffset"/>), and the product of
/// the query with the bias of its keys, <c>Q·(Wk·β + b)</c> with β = ln_kv.bias and b = k_proj.bias, where queries
/// depend on the grid.</remarks>
internal sealed unsafe class FrameOffsets : GridPart
{
    private readonly int _gridColumns;
    private readonly int _headCount;
    private readonly double* _rows;
    private readonly double* _columns;
    private readonly double* _keys;

    private FrameOffsets(PartKey key, AlignedBuffer memory, ResamplerConfig config)
        : base(key, memory)
    {
        _gridColumns = config.QueryGrid.Columns;
        _headCount = config.AttentionHeadCount;
        _rows = (double*)memory.Pointer;
        _columns = _rows + (config.QueryGrid.Rows * _headCount);
        _keys = _columns + (config.QueryGrid.Columns * _headCount);
    }

    /// <param name="key">What the part depends on: the scope and the grid.</param>
    /// <param name="bias">The scope's bias.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d, [M, D]; null if keys have no bias that
    /// matters.</param>
    /// <param name="keyBias">The bias of the keys, [D].</param>
    /// <param name="config">The model.</param>
    /// <param name="pool">Provides the memory.</param>
    public static FrameOffsets Create(PartKey key, ScopeBias bias, AlignedBuffer? queries, double[]? keyBias,
        ResamplerConfig config, BufferPool pool)
    {
        QueryGrid grid = config.QueryGrid;
        int headCount = config.AttentionHeadCount;
        long count = ((long)grid.Rows + grid.Columns + grid.QueryCount) * headCount;
        FrameOffsets offsets = new(key, pool.Rent(count * sizeof(double) / sizeof(float)), config);
        for (int head = 0; head < headCount; head++)
        {
            for (int row = 0; row < grid.Rows; row++)
                offsets._rows[(row * headCount) + head] = bias.RowOffset(row, head);
            for (int column = 0; column < grid.Columns; column++)
                offsets._columns[(column * headCount) + head] = bias.ColumnOffset(column, head);
            for (int query = 0; query < grid.QueryCount; query++)
                offsets._keys[(query * headCount) + head] = queries is null ? 0
                    : Dot(queries.Pointer + ((nint)query * config.HiddenSize), keyBias!, head * config.HeadSize,
                        config.HeadSize);
        }

        GC.KeepAlive(queries);
        return offsets;
    }

    /// <summary>The shift of the row part of the bias.</summary>
    public double Row(int query, int head) => _rows[(query / _gridColumns * _headCount) + head];

    /// <summary>The shift of the column part of the bias.</summary>
    public double Column(int query, int head) => _columns[(query % _gridColumns * _headCount) + head];

    /// <summary>The product with the bias of the keys.</summary>
    public double KeyBias(int query, int head) => _keys[(query * _headCount) + head];

    private static double Dot(float* query, double[] bias, int first, int count)
    {
        double sum = 0;
        for (int channel = first; channel < first + count; channel++)
            sum += query[channel] * bias[channel];
        return sum;
    }
}
