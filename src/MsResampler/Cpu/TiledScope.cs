using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Operands of a scope whose keys are projected, for one grid: queries and bias tables per tile and
/// head.</summary>
internal sealed unsafe class TiledScope
{
    private readonly TiledQueries _queries;
    private readonly TiledBias? _rowBias;
    private readonly TiledBias? _columnBias;
    private readonly bool _isMask;

    /// <param name="plan">The scope's plan.</param>
    /// <param name="queries">The queries of each tile.</param>
    /// <param name="rowBias">The row part of the bias; null unless <see cref="IsBiased"/>.</param>
    /// <param name="columnBias">The column part of the bias; null unless <see cref="IsBiased"/>.</param>
    /// <param name="isMask">Whether the bias is 0 at every patch of a window.</param>
    /// <param name="gridColumns">Columns of the query grid.</param>
    public TiledScope(ScopePlan plan, TiledQueries queries, TiledBias? rowBias, TiledBias? columnBias, bool isMask,
        int gridColumns)
    {
        Tiles = plan.Tiles;
        MaxLaneCount = Tiles.Max(tile => tile.LaneCount);
        GridColumns = gridColumns;
        _queries = queries;
        _rowBias = rowBias;
        _columnBias = columnBias;
        _isMask = isMask;
    }

    public IReadOnlyList<QueryTile> Tiles { get; }

    /// <summary>Columns of the query grid.</summary>
    public int GridColumns { get; }

    /// <summary>Lanes of the widest tile.</summary>
    public int MaxLaneCount { get; }

    /// <summary>Whether any tile adds a bias.</summary>
    public static bool IsBiased(ScopePlan plan, bool isMask) => !isMask || plan.Tiles.Any(tile => !tile.IsFull);

    /// <summary>The queries of a tile and head, [d, lanes]; lanes without a query are zero.</summary>
    public float* Queries(int tile, int head) => _queries.At(tile, head);

    /// <summary>The row part of the bias of a tile and head, [key rows, lanes] in base 2; null if the bias is 0
    /// for every key of the tile.</summary>
    public float* RowBias(int tile, int head)
        => !_isMask || !Tiles[tile].IsFull ? _rowBias!.At(tile, head) : null;

    /// <summary>The column part of the bias, [key columns, lanes] in base 2. Call it only if there is a row
    /// part.</summary>
    public float* ColumnBias(int tile, int head) => _columnBias!.At(tile, head);
}
