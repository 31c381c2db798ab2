using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Operands of a scope whose keys are absorbed, for one grid: folded queries and bias tables.</summary>
internal sealed unsafe class AbsorbedScope
{
    private readonly FoldedQueries _queries;
    private readonly AbsorbedBias? _rowBias;
    private readonly AbsorbedBias? _columnBias;
    private readonly int _maxRows;
    private readonly int _maxColumns;

    /// <param name="plan">The scope's plan.</param>
    /// <param name="queries">Its folded queries.</param>
    /// <param name="rowBias">The row part of its bias; null if the bias is zero.</param>
    /// <param name="columnBias">The column part of its bias; null if the bias is zero.</param>
    /// <param name="laneCount">The number of heads, rounded up to whole tiles.</param>
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

    /// <summary>The number of heads, rounded up to whole tiles.</summary>
    public int LaneCount { get; }

    /// <summary>Columns of the query grid.</summary>
    public int GridColumns { get; }

    /// <summary>The number of patches in the largest window.</summary>
    public int MaxKeyCount => _maxRows * _maxColumns;

    /// <summary>The folded rows of one query: blocks of lanes (see <see cref="LaneBlock"/>), each [D, lanes of
    /// the block].</summary>
    public float* Queries(int query) => _queries.At(query);

    /// <summary>The row part of the bias, [rows of the window, lanes] in base 2; null if the bias is zero.</summary>
    public float* RowBias(int queryRow) => _rowBias is null ? null : _rowBias.At(queryRow);

    /// <summary>The column part of the bias, [columns of the window, lanes] in base 2.</summary>
    public float* ColumnBias(int queryColumn) => _columnBias!.At(queryColumn);

    /// <summary>The number of lanes in the block that starts at <paramref name="lane"/>.</summary>
    public static int LaneBlock<TSimd, TVector>(int lane, int laneCount)
        where TSimd : struct, ISimd<TVector>
        => MicroKernel<TSimd, TVector>.TileWidth(Math.Min(laneCount - lane, MicroKernel<TSimd, TVector>.PanelWidth));

    /// <summary>The number of patches in the window of a query.</summary>
    public int KeyCount(int query)
        => Windows.Rows[query / GridColumns].Count * Windows.Columns[query % GridColumns].Count;

    /// <summary>Writes two offsets for each patch of a query's window: of the attention weights of the patch,
    /// and of its row in a table of patches. Patches are in row-major order.</summary>
    /// <param name="query">The query.</param>
    /// <param name="rowStride">Floats between rows of the table of patches.</param>
    /// <param name="offsets">Receives two values per key; has room for 2·<see cref="MaxKeyCount"/>.</param>
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
