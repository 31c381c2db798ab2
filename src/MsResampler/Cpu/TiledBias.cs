using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>One axis' part of the bias of a scope whose keys are projected: per tile, and per head where sigmas are
/// learned, [patch rows or columns of the tile, lanes] in base 2. It depends on that axis of the grid alone, and on how
/// queries are cut into tiles.</summary>
internal sealed unsafe class TiledBias : GridPart
{
    private readonly nint[] _offsets;
    private readonly int[] _headStrides;

    private TiledBias(PartKey key, AlignedBuffer memory, nint[] offsets, int[] headStrides)
        : base(key, memory)
    {
        _offsets = offsets;
        _headStrides = headStrides;
    }

    /// <param name="key">What the part depends on.</param>
    /// <param name="tiles">The scope's tiles.</param>
    /// <param name="bias">The scope's bias.</param>
    /// <param name="headCount">A.</param>
    /// <param name="pool">Where memory comes from.</param>
    public static TiledBias Create(PartKey key, IReadOnlyList<QueryTile> tiles, ScopeBias bias, int headCount,
        BufferPool pool)
    {
        bool isRows = key.Kind == PartKind.TiledRowBias;
        int heads = bias.IsPerHead ? headCount : 1;
        nint[] offsets = new nint[tiles.Count];
        int[] headStrides = new int[tiles.Count];
        nint count = 0;
        // Tiles beside each other have one table for rows, tiles below each other one for columns.
        Dictionary<(int First, int Rows, int Columns), nint> known = [];
        List<int> distinct = [];
        for (int index = 0; index < tiles.Count; index++)
        {
            QueryTile tile = tiles[index];
            headStrides[index] = bias.IsPerHead ? Range(tile, isRows).Count * tile.LaneCount : 0;
            (int, int, int) same = ((isRows ? tile.QueryRows : tile.QueryColumns).Start, tile.QueryRows.Count,
                tile.QueryColumns.Count);
            if (!known.TryGetValue(same, out offsets[index]))
            {
                known.Add(same, offsets[index] = count);
                distinct.Add(index);
                count += (nint)heads * Range(tile, isRows).Count * tile.LaneCount;
            }
        }

        TiledBias table = new(key, pool.Rent(count), offsets, headStrides);
        table.Memory.Span.Clear();
        foreach (int index in distinct)
            for (int head = 0; head < heads; head++)
                table.Fill(index, tiles[index], head, bias, isRows);
        return table;
    }

    /// <summary>The bias of a tile and head, [patches along the axis, lanes].</summary>
    public float* At(int tile, int head) => Memory.Pointer + _offsets[tile] + ((nint)head * _headStrides[tile]);

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
