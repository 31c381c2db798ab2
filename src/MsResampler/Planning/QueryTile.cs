using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>A rectangle of neighbouring queries that are computed together, and the smallest rectangle of patches
/// that contains all their windows.</summary>
/// <param name="QueryRows">The tile's rows of the query grid.</param>
/// <param name="QueryColumns">The tile's columns of the query grid.</param>
/// <param name="KeyRows">The rows of the rectangle of patches.</param>
/// <param name="KeyColumns">The columns of the rectangle of patches.</param>
/// <param name="IsFull">Whether every query of the tile attends to every patch of the rectangle, so that no mask is
/// needed.</param>
/// <param name="LaneCount">The number of queries, rounded up to a width of the backend's
/// <see cref="CostModel.LaneWidths"/>.</param>
internal sealed record QueryTile(AxisRange QueryRows, AxisRange QueryColumns, AxisRange KeyRows, AxisRange KeyColumns,
    bool IsFull, int LaneCount)
{
    public int QueryCount => QueryRows.Count * QueryColumns.Count;

    public int KeyCount => KeyRows.Count * KeyColumns.Count;

    /// <summary>The index of the tile's query <paramref name="lane"/> in the model's query order.</summary>
    public int QueryIndex(int lane, int gridColumns)
        => ((QueryRows.Start + (lane / QueryColumns.Count)) * gridColumns)
            + QueryColumns.Start + (lane % QueryColumns.Count);
}
