using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>A thread's part of the copies of every tile of keys or values. A warp copies its 16 rows of the tile: at
/// once 8 rows by four chunks of 16 bytes, or 16 by two, so that whole sectors of memory are read, and eight lanes side
/// by side write one chunk of eight rows, which meets all banks once.</summary>
/// <typeparam name="THead">The head tile.</typeparam>
internal struct KeyCopies<THead>
    where THead : struct, IMmaHeadTile
{
    /// <summary>Where this lane's key of the first row group lies in the lists of keys, in the first tile.</summary>
    private int _firstPlace;
    private int _lastTile;
    private int _gridColumns;
    private int _stride;
    private int _lastBytes;

    /// <summary>Chunks of a row that are copied at once.</summary>
    public static int ChunksAtOnce => THead.Chunks % 4 == 0 ? 4 : 2;

    /// <summary>Rows that are copied at once.</summary>
    public static int RowsAtOnce => 32 / ChunksAtOnce;

    /// <summary>Rows of a tile that a thread copies.</summary>
    public static int LaneRows => ScopeSchedule.UnitSize / RowsAtOnce;

    /// <summary>Chunks of a row that a thread copies.</summary>
    public static int LaneChunks => THead.Chunks / ChunksAtOnce;

    /// <summary>The lane's row among those copied at once.</summary>
    public static int LaneRow => Group.IdxX % RowsAtOnce;

    /// <summary>The lane's chunk among those copied at once.</summary>
    public static int LaneChunk => Group.IdxX % 32 / RowsAtOnce;

    /// <summary>The offset in bytes of this thread's first chunk in a tile.</summary>
    public static int Offset => (((Group.IdxX / 32 * ScopeSchedule.UnitSize) + LaneRow)
        * PaddedTile.RowBytes(THead.Chunks)) + (LaneChunk * SwizzledTile.ChunkBytes);

    /// <param name="block">The block.</param>
    /// <param name="headVectors">Groups of 16 bytes of a head.</param>
    /// <param name="stride">Groups of 16 bytes of a patch.</param>
    public static KeyCopies<THead> Of(ScopeBlock block, int headVectors, int stride)
    {
        // Row 8h + 2t + b of a chunk of 16 is its key 4t + 2h + b: the keys of a lane's logits are then neighbours in
        // the list.
        int row = LaneRow;
        int key = (4 * ((row & 7) >> 1)) + (2 * (row >> 3)) + (row & 1);
        return new KeyCopies<THead>
        {
            _firstPlace = block.FirstPlace + (Group.IdxX / 32 * ScopeSchedule.UnitSize) + key,
            _lastTile = ((block.KeyCount + ScopeSchedule.TileKeys - 1) / ScopeSchedule.TileKeys) - 1,
            _gridColumns = block.GridColumns,
            _stride = stride,
            // Only the last of a thread's chunks can be past the end of a head: a smaller head has a smaller tile.
            _lastBytes = ((THead.Chunks - ChunksAtOnce + LaneChunk - headVectors) >> 31) & SwizzledTile.ChunkBytes,
        };
    }

    /// <summary>Reads which keys this thread copies of a tile; none of a tile past the end.</summary>
    public readonly void ReadPlaces(ArrayView<int> lists, int tile, int[] places)
    {
        int first = _firstPlace + (ScopeSchedule.TileKeys * IntrinsicMath.Min(tile, _lastTile));
        for (int row = 0; row < LaneRows; row++)
            places[row] = lists[first + (2 * row)] | ((_lastTile - tile) >> 31);
    }

    /// <summary>Starts to copy them, and makes a group of it. Of what is no key, zeros: what was there before might be
    /// no number, which a weight of 0 would not take away.</summary>
    /// <param name="to">Where this thread's first chunk goes.</param>
    /// <param name="rows">Keys or values of the image, from this thread's first chunk of the head on.</param>
    /// <param name="places">The keys.</param>
    public readonly void Start(uint to, ArrayView<UInt4> rows, int[] places)
    {
        for (int row = 0; row < LaneRows; row++)
        {
            // All bits of the sign or none, so that the assembler sees that there is no third case to provide for.
            int bytes = ~(places[row] >> 31) & SwizzledTile.ChunkBytes;
            int place = IntrinsicMath.Max(places[row], 0);
            long first = (((place >> 16) * _gridColumns) + (place & 0xFFFF)) * _stride;
            for (int chunk = 0; chunk < LaneChunks; chunk++)
            {
                AsyncCopy.StartOrZero(to, (row * RowsAtOnce * PaddedTile.RowBytes(THead.Chunks))
                    + (chunk * ChunksAtOnce * SwizzledTile.ChunkBytes), ref rows[first + (chunk * ChunksAtOnce)],
                    chunk == LaneChunks - 1 ? bytes & _lastBytes : bytes);
            }
        }

        AsyncCopy.Commit();
    }
}
