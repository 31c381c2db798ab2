using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The grid's operands of a scope whose keys are projected: per tile and head the queries, and the bias of each
/// patch row and column.</summary>
internal sealed unsafe class TiledScope
{
    private readonly TiledQueries _queries;
    private readonly TiledBias? _rowBias;
    private readonly TiledBias? _columnBias;
    private readonly bool _isMask;

    /// <param name="plan">The scope's plan.</param>
    /// <param name="queries">Its queries by tile.</param>
    /// <param name="rowBias">The rows' part of its bias, where <see cref="IsBiased"/>.</param>
    /// <param name="columnBias">The columns' part likewise.</param>
    /// <param name="isMask">Whether patches of a window weigh alike.</param>
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

    /// <summary>The widest tile.</summary>
    public int MaxLaneCount { get; }

    /// <summary>Whether any tile adds a bias.</summary>
    public static bool IsBiased(ScopePlan plan, bool isMask) => !isMask || plan.Tiles.Any(tile => !tile.IsFull);

    /// <summary>The queries of a tile and head, [d, lanes]; lanes without a query are zero.</summary>
    public float* Queries(int tile, int head) => _queries.At(tile, head);

    /// <summary>The rows' part of the bias of a tile and head in base 2, [key rows, lanes]; null where the bias is zero
    /// everywhere.</summary>
    public float* RowBias(int tile, int head)
        => !_isMask || !Tiles[tile].IsFull ? _rowBias!.At(tile, head) : null;

    /// <summary>The columns' part, [key columns, lanes]; only where there is a part for rows.</summary>
    public float* ColumnBias(int tile, int head) => _columnBias!.At(tile, head);
}
