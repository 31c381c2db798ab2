using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>A thread's part of the copies of keys and values to shared memory, a tile at a time. A warp copies its 16
/// rows of the tile, eight rows by four chunks of 16 bytes at once. It therefore reads whole sectors of memory, and
/// eight neighbouring lanes write the same chunk of eight rows, which covers all banks once.</summary>
/// <typeparam name="THead">The head tile.</typeparam>
internal struct KeyCopies<THead>
    where THead : struct, IMmaHeadTile
{
    /// <summary>Chunks of a row that are copied at once.</summary>
    public const int ChunksAtOnce = PaddedTile.ChunkMultiple;

    /// <summary>Rows that are copied at once.</summary>
    public const int RowsAtOnce = 32 / ChunksAtOnce;

    /// <summary>Rows of a tile that a thread copies.</summary>
    public const int LaneRows = ScopeSchedule.UnitSize / RowsAtOnce;

    private uint _to;
    private int _firstPlace;
    private int _gridColumns;
    private int _stride;
    private bool _hasLast;

    /// <summary>The size of a tile in bytes. The tile of values follows that of keys.</summary>
    public static int TileBytes => ScopeSchedule.TileKeys * PaddedTile.RowBytes(THead.Chunks);

    /// <summary>Chunks of a row that a thread copies.</summary>
    public static int LaneChunks => (THead.Chunks + ChunksAtOnce - 1) / ChunksAtOnce;

    /// <summary>The lane's row among those copied at once.</summary>
    public static int LaneRow => Group.IdxX % RowsAtOnce;

    /// <summary>The lane's chunk among those copied at once.</summary>
    public static int LaneChunk => Group.IdxX % 32 / RowsAtOnce;

    /// <summary>The offset in bytes of this thread's first chunk in a tile.</summary>
    public static int Offset => (((Group.IdxX / 32 * ScopeSchedule.UnitSize) + LaneRow)
        * PaddedTile.RowBytes(THead.Chunks)) + (LaneChunk * SwizzledTile.ChunkBytes);

    /// <summary>Creates the copies of a block.</summary>
    /// <param name="tile">The address of the tile of keys in shared memory.</param>
    /// <param name="block">The block.</param>
    /// <param name="isShared">Whether the warps of the block copy one tile together; otherwise each warp copies units
    /// of 16 keys for itself.</param>
    /// <param name="shape">The extents.</param>
    public static KeyCopies<THead> Of(uint tile, MmaBlock block, bool isShared, AttentionShape shape)
    {
        // Row 8h + 2t + b of 16 rows is key 4t + 2h + b of the list: the keys of a lane's logits are then neighbours in
        // the list.
        int row = LaneRow;
        int key = (4 * ((row & 7) >> 1)) + (2 * (row >> 3)) + (row & 1);
        return new KeyCopies<THead>
        {
            _to = tile + (uint)Offset,
            _firstPlace = block.FirstPlace + (isShared ? Group.IdxX / 32 * ScopeSchedule.UnitSize : 0) + key,
            _gridColumns = block.GridColumns,
            _stride = 2 * shape.KeyScopeCount * shape.HeadCount * shape.HeadVectors,
            // Only the last of a thread's chunks can lie beyond the head: a smaller head has a smaller tile.
            _hasLast = (ChunksAtOnce * (LaneChunks - 1)) + LaneChunk < shape.HeadVectors,
        };
    }

    /// <summary>Reads the places of the keys that this thread copies. The tile or unit may be the one after the
    /// last.</summary>
    /// <param name="lists">The lists of keys.</param>
    /// <param name="firstKey">The first key of the tile, counted from the start of the list.</param>
    /// <param name="places">Receives the places.</param>
    public readonly void ReadPlaces(ArrayView<int> lists, int firstKey, int[] places)
    {
        for (int row = 0; row < LaneRows; row++)
            places[row] = lists[_firstPlace + firstKey + (2 * row)];
    }

    /// <summary>Converts places to the positions of their keys in memory; negative if there is no key.</summary>
    public readonly void Find(int[] places, int[] starts)
    {
        for (int row = 0; row < LaneRows; row++)
        {
            starts[row] = ((((places[row] >> 16) * _gridColumns) + (places[row] & 0xFFFF)) * _stride)
                | (places[row] >> 31);
        }
    }

    /// <summary>Starts the copies of keys, as one async-group.</summary>
    /// <param name="keys">The keys of the image, from this thread's first chunk of the head on.</param>
    /// <param name="starts">The positions of the keys.</param>
    public readonly void StartKeys(ArrayView<UInt4> keys, int[] starts) => Start(_to, keys, starts);

    /// <summary>Starts the copies of values, as one async-group.</summary>
    /// <param name="values">The values of the image, from this thread's first chunk of the head on.</param>
    /// <param name="starts">The positions of their keys.</param>
    public readonly void StartValues(ArrayView<UInt4> values, int[] starts)
        => Start(_to + (uint)TileBytes, values, starts);

    /// <summary>Starts to copy the warp's 16 queries to the tile of values. Queries that the tile lacks repeat its last
    /// one; a warp without queries gets zeros.</summary>
    /// <param name="queries">The queries.</param>
    /// <param name="block">The block.</param>
    /// <param name="warp">The warp's share of the block.</param>
    /// <param name="shape">The extents.</param>
    public readonly void StartQueries(ArrayView<UInt4> queries, MmaBlock block, MmaWarp warp, AttentionShape shape)
    {
        for (int row = 0; row < LaneRows; row++)
        {
            int query = warp.FirstQuery + (row * RowsAtOnce) + LaneRow;
            int index = block.IndexOf(IntrinsicMath.Min(query, block.QueryCount - 1), shape.QueryColumns);
            int start = block.QueryStart + (((index * shape.HeadCount) + warp.Head) * shape.HeadVectors);
            for (int step = 0; step < LaneChunks; step++)
            {
                int chunk = (step * ChunksAtOnce) + LaneChunk;
                bool isPart = chunk < shape.HeadVectors & warp.QueryCount > 0;
                AsyncCopy.StartOrZero(_to + (uint)TileBytes, (row * RowsAtOnce * PaddedTile.RowBytes(THead.Chunks))
                    + (step * ChunksAtOnce * SwizzledTile.ChunkBytes),
                    ref queries[start + IntrinsicMath.Min(chunk, shape.HeadVectors - 1)],
                    Utilities.Select(isPart, SwizzledTile.ChunkBytes, 0));
            }
        }
    }

    /// <summary>Rows without a key are zero-filled: a stale NaN times a weight of 0 would be NaN. No copy has an
    /// address outside the tensor: without a key it is that of the first patch, and a chunk beyond the head is one of
    /// the next head or of <see cref="ScopeSchedule.ExtraVectors"/>.</summary>
    private readonly void Start(uint to, ArrayView<UInt4> rows, int[] starts)
    {
        for (int row = 0; row < LaneRows; row++)
        {
            bool isKey = starts[row] >= 0;
            for (int chunk = 0; chunk < LaneChunks; chunk++)
            {
                int offset = chunk * ChunksAtOnce * SwizzledTile.ChunkBytes;
                AsyncCopy.StartOrZero(to, (row * RowsAtOnce * PaddedTile.RowBytes(THead.Chunks)) + offset,
                    ref rows[IntrinsicMath.Max(starts[row], 0)], offset,
                    Utilities.Select(isKey & (chunk < LaneChunks - 1 | _hasLast), SwizzledTile.ChunkBytes, 0));
            }
        }

        AsyncCopy.Commit();
    }
}
