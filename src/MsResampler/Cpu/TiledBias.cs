using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The row part or the column part of the bias of a scope whose keys are projected. Each tile, and
/// each head if sigmas are learned, has a table [patch rows or columns of the tile, lanes] in base 2. The part
/// depends on one axis of the grid and on the sizes of the tiles.</summary>
internal sealed unsafe class TiledBias(PartKey key, AlignedBuffer memory, nint[] offsets, int[] headStrides)
    : TiledPart(key, memory, offsets, headStrides)
{
    /// <param name="key">What the part depends on.</param>
    /// <param name="tiles">The scope's tiles.</param>
    /// <param name="bias">The scope's bias.</param>
    /// <param name="headCount">A.</param>
    /// <param name="pool">Provides the memory.</param>
    public static TiledBias Create(PartKey key, IReadOnlyList<QueryTile> tiles, ScopeBias bias, int headCount,
        BufferPool pool)
    {
        bool isRows = key.Kind == PartKind.TiledRowBias;
        int heads = bias.IsPerHead ? headCount : 1;
        nint[] offsets = new nint[tiles.Count];
        int[] headStrides = new int[tiles.Count];
        nint count = 0;
        for (int index = 0; index < tiles.Count; index++)
        {
            headStrides[index] = bias.IsPerHead ? Range(tiles[index], isRows).Count * tiles[index].LaneCount : 0;
            int same = FindSame(tiles, index, isRows);
            offsets[index] = same < index ? offsets[same] : count;
            if (same == index)
                count += (nint)heads * Range(tiles[index], isRows).Count * tiles[index].LaneCount;
        }

        TiledBias table = new(key, pool.Rent(count), offsets, headStrides);
        table.Memory.Span.Clear();
        for (int index = 0; index < tiles.Count; index++)
            for (int head = 0; head < heads && FindSame(tiles, index, isRows) == index; head++)
                table.Fill(index, tiles[index], head, bias, isRows);
        return table;
    }

    /// <summary>The first tile with the same table: tiles with the same query rows share a row table, tiles
    /// with the same query columns a column table.</summary>
    private static int FindSame(IReadOnlyList<QueryTile> tiles, int index, bool isRows)
    {
        QueryTile tile = tiles[index];
        for (int other = 0; other < index; other++)
        {
            QueryTile known = tiles[other];
            if ((isRows ? known.QueryRows == tile.QueryRows : known.QueryColumns == tile.QueryColumns)
                && known.QueryRows.Count == tile.QueryRows.Count && known.QueryColumns.Count == tile.QueryColumns.Count)
                return other;
        }

        return index;
    }

    private static AxisRange Range(QueryTile tile, bool isRows) => isRows ? tile.KeyRows : tile.KeyColumns;

    private void Fill(int index, QueryTile tile, int head, ScopeBias bias, bool isRows)
    {
        AxisRange patches = Range(tile, isRows);
        for (int lane = 0; lane < tile.QueryCount; lane++)
        {
            Span<float> target = new(At(index, head) + lane, (patches.Count * tile.LaneCount) - lane);
            if (isRows)
                bias.FillRows(tile.QueryRows.Start + (lane / tile.QueryColumns.Count), head, patches, target,
                    tile.LaneCount);
            else
                bias.FillColumns(tile.QueryColumns.Start + (lane % tile.QueryColumns.Count), head, patches, target,
                    tile.LaneCount);
        }
    }
}
