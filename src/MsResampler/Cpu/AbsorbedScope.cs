using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The grid's operands of a scope whose keys are absorbed: for every query the rows <c>Wkᵀ·Q</c> of all its
/// heads side by side, and the bias of each patch row and column of its window.</summary>
internal sealed unsafe class AbsorbedScope
{
    private readonly AlignedBuffer _foldedQueries;
    private readonly AlignedBuffer? _rowBias;
    private readonly AlignedBuffer? _columnBias;
    private readonly int _width;
    private readonly int _maxRows;
    private readonly int _maxColumns;

    /// <param name="plan">The scope's plan.</param>
    /// <param name="foldedQueries">The result of <see cref="Fold"/>.</param>
    /// <param name="laneCount">Heads rounded up to whole tiles.</param>
    /// <param name="bias">The scope's bias.</param>
    /// <param name="config">The model.</param>
    public AbsorbedScope(ScopePlan plan, AlignedBuffer foldedQueries, int laneCount, ScopeBias bias,
        ResamplerConfig config)
    {
        Windows = plan.Windows;
        AreValuesAbsorbed = plan.Values == ProjectionStrategy.Absorbed;
        LaneCount = laneCount;
        GridColumns = config.QueryGrid.Columns;
        _foldedQueries = foldedQueries;
        _width = config.HiddenSize;
        _maxRows = Windows.Rows.Max(range => range.Count);
        _maxColumns = Windows.Columns.Max(range => range.Count);
        if (!bias.IsGaussian)
            return;
        _rowBias = new AlignedBuffer((long)Windows.Rows.Count * _maxRows * laneCount);
        _columnBias = new AlignedBuffer((long)Windows.Columns.Count * _maxColumns * laneCount);
        for (int head = 0; head < config.AttentionHeadCount; head++)
        {
            for (int row = 0; row < Windows.Rows.Count; row++)
                bias.FillRows(row, head, Windows.Rows[row],
                    _rowBias.Span[((row * _maxRows * laneCount) + head)..], laneCount);
            for (int column = 0; column < Windows.Columns.Count; column++)
                bias.FillColumns(column, head, Windows.Columns[column],
                    _columnBias.Span[((column * _maxColumns * laneCount) + head)..], laneCount);
        }
    }

    public ScopeWindows Windows { get; }

    public bool AreValuesAbsorbed { get; }

    /// <summary>Heads rounded up to whole tiles.</summary>
    public int LaneCount { get; }

    /// <summary>Columns of the query grid.</summary>
    public int GridColumns { get; }

    /// <summary>The most patches that a query sees.</summary>
    public int MaxKeyCount => _maxRows * _maxColumns;

    public long BiasBytes => sizeof(float) * (long)((_rowBias?.Count ?? 0) + (_columnBias?.Count ?? 0));

    /// <summary>Folded queries of one query: blocks of lanes (see <see cref="LaneBlock"/>), each [D, lanes of the
    /// block].</summary>
    public float* Queries(int query) => _foldedQueries.Pointer + ((nint)query * _width * LaneCount);

    /// <summary>[rows of the window, lanes], or null where the bias is zero.</summary>
    public float* RowBias(int queryRow)
        => _rowBias is null ? null : _rowBias.Pointer + ((nint)queryRow * _maxRows * LaneCount);

    /// <summary>[columns of the window, lanes].</summary>
    public float* ColumnBias(int queryColumn) => _columnBias!.Pointer + ((nint)queryColumn * _maxColumns * LaneCount);

    /// <summary>The width of the block of lanes that starts at <paramref name="lane"/>.</summary>
    public static int LaneBlock<TSimd, TVector>(int lane, int laneCount)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        => MicroKernel<TSimd, TVector>.TileWidth(Math.Min(laneCount - lane, MicroKernel<TSimd, TVector>.PanelWidth));

    /// <summary>The patches that a query sees, in the order of its attention weights: per key the offset of its weights
    /// and the offset of its row in a table of patches.</summary>
    /// <param name="query">The query.</param>
    /// <param name="rowStride">Floats from one patch's row to the next.</param>
    /// <param name="offsets">Receives 2·keys values; room for 2·<see cref="MaxKeyCount"/>.</param>
    /// <returns>The number of keys.</returns>
    public int KeyOffsets(int query, int rowStride, int* offsets)
    {
        AxisRange rows = Windows.Rows[query / GridColumns];
        AxisRange columns = Windows.Columns[query % GridColumns];
        int key = 0;
        for (int i = rows.Start; i < rows.End; i++)
        {
            for (int j = columns.Start; j < columns.End; j++, key++)
            {
                offsets[2 * key] = key * LaneCount;
                offsets[(2 * key) + 1] = ((i * Windows.Grid.Columns) + j) * rowStride;
            }
        }

        return key;
    }

    /// <summary>Moves k_proj to the query side: row h of query m becomes <c>Wk_hᵀ·Q_mh</c>.</summary>
    /// <param name="queries">Projected and scaled queries, [M, D].</param>
    /// <param name="keys">k_proj.</param>
    /// <param name="config">The model.</param>
    /// <param name="laneCount">Heads rounded up to whole tiles.</param>
    public static AlignedBuffer Fold<TSimd, TVector>(AlignedBuffer queries, PackedMatrix keys, ResamplerConfig config,
        int laneCount)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int width = config.HiddenSize;
        int headSize = config.HeadSize;
        int queryCount = config.QueryGrid.QueryCount;
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        AlignedBuffer folded = new((long)queryCount * width * laneCount);
        AlignedBuffer weight = new(((long)width * width) + panelWidth);
        AlignedBuffer zeros = new(panelWidth);
        keys.CopyWeightTo(weight.Pointer);
        Parallel.For(0, (width + panelWidth - 1) / panelWidth, panel =>
        {
            int first = panel * panelWidth;
            int columns = Math.Min(panelWidth, width - first);
            AlignedBuffer product = new((long)queryCount * panelWidth);
            for (int head = 0; head < config.AttentionHeadCount; head++)
            {
                Gemm<TSimd, TVector>.Multiply(queries.Pointer + (head * headSize), width, queryCount, headSize,
                    weight.Pointer + ((nint)head * headSize * width) + first, width, panelWidth, columns, zeros.Pointer,
                    0, product.Pointer, panelWidth);
                int block = head / panelWidth * panelWidth;
                int blockWidth = LaneBlock<TSimd, TVector>(block, laneCount);
                for (int query = 0; query < queryCount; query++)
                {
                    float* target = folded.Pointer + ((nint)query * width * laneCount) + ((nint)block * width)
                        + ((nint)first * blockWidth) + (head - block);
                    float* source = product.Pointer + ((nint)query * panelWidth);
                    for (int column = 0; column < columns; column++)
                        target[(nint)column * blockWidth] = source[column];
                }
            }
        });
        GC.KeepAlive(queries);
        return folded;
    }
}
