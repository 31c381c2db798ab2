using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The grid's operands of a scope whose keys are absorbed: the folded queries, and the bias of each patch row
/// and column of a query's window.</summary>
internal sealed unsafe class AbsorbedScope
{
    private readonly FoldedQueries _queries;
    private readonly AbsorbedBias? _rowBias;
    private readonly AbsorbedBias? _columnBias;
    private readonly int _maxRows;
    private readonly int _maxColumns;

    /// <param name="plan">The scope's plan.</param>
    /// <param name="queries">Its folded queries.</param>
    /// <param name="rowBias">The rows' part of its bias, or null where it is zero.</param>
    /// <param name="columnBias">The columns' part likewise.</param>
    /// <param name="laneCount">Heads rounded up to whole tiles.</param>
    /// <param name="gridColumns">Columns of the query grid.</param>
    public AbsorbedScope(ScopePlan plan, FoldedQueries queries, AbsorbedBias? rowBias, AbsorbedBias? columnBias,
        int laneCount, int gridColumns)
    {
        Windows = plan.Windows;
        AreValuesAbsorbed = plan.Values == ProjectionStrategy.Absorbed;
        LaneCount = laneCount;
        GridColumns = gridColumns;
        _queries = queries;
        _rowBias = rowBias;
        _columnBias = columnBias;
        _maxRows = Windows.Rows.Max(range => range.Count);
        _maxColumns = Windows.Columns.Max(range => range.Count);
    }

    public ScopeWindows Windows { get; }

    public bool AreValuesAbsorbed { get; }

    /// <summary>Heads rounded up to whole tiles.</summary>
    public int LaneCount { get; }

    /// <summary>Columns of the query grid.</summary>
    public int GridColumns { get; }

    /// <summary>The most patches that a query sees.</summary>
    public int MaxKeyCount => _maxRows * _maxColumns;

    /// <summary>Folded queries of one query: blocks of lanes (see <see cref="LaneBlock"/>), each [D, lanes of the
    /// block].</summary>
    public float* Queries(int query) => _queries.At(query);

    /// <summary>[rows of the window, lanes], or null where the bias is zero.</summary>
    public float* RowBias(int queryRow) => _rowBias is null ? null : _rowBias.At(queryRow);

    /// <summary>[columns of the window, lanes].</summary>
    public float* ColumnBias(int queryColumn) => _columnBias!.At(queryColumn);

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
}
