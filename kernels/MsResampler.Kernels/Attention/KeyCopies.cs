using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>A thread's part of the copies of every tile of keys or values. A warp copies its 16 rows of the tile, eight
/// rows by four chunks of 16 bytes at once: so whole sectors of memory are read, and eight lanes side by side write one
/// chunk of eight rows, which meets all banks once.</summary>
/// <typeparam name="THead">The head tile.</typeparam>
internal struct KeyCopies<THead>
    where THead : struct, IMmaHeadTile
{
    /// <summary>Where this lane's key of the first row group lies in the lists of keys, in the first tile.</summary>
    private int _firstPlace;
    private int _gridColumns;
    private int _stride;
    private bool _hasLast;

    /// <summary>Chunks of a row that are copied at once.</summary>
    public const int ChunksAtOnce = PaddedTile.ChunkMultiple;

    /// <summary>Rows that are copied at once.</summary>
    public const int RowsAtOnce = 32 / ChunksAtOnce;

    /// <summary>Rows of a tile that a thread copies.</summary>
    public const int LaneRows = ScopeSchedule.UnitSize / RowsAtOnce;

    /// <summary>Chunks of a row that a thread copies.</summary>
    public static int LaneChunks => (THead.Chunks + ChunksAtOnce - 1) / ChunksAtOnce;

    /// <summary>The lane's row among those copied at once.</summary>
    public static int LaneRow => Group.IdxX % RowsAtOnce;

    /// <summary>The lane's chunk among those copied at once.</summary>
    public static int LaneChunk => Group.IdxX % 32 / RowsAtOnce;

    /// <summary>The offset in bytes of this thread's first chunk in a tile.</summary>
    public static int Offset => (((Group.IdxX / 32 * ScopeSchedule.UnitSize) + LaneRow)
        * PaddedTile.RowBytes(THead.Chunks)) + (LaneChunk * SwizzledTile.ChunkBytes);

    /// <param name="block">The block.</param>
    /// <param name="isShared">Whether the block's warps copy one tile together, or each its own unit of 16
    /// keys.</param>
    /// <param name="headVectors">Groups of 16 bytes of a head.</param>
    /// <param name="stride">Groups of 16 bytes of a patch.</param>
    public static KeyCopies<THead> Of(MmaBlock block, bool isShared, int headVectors, int stride)
    {
        // Row 8h + 2t + b of a chunk of 16 is its key 4t + 2h + b: the keys of a lane's logits are then neighbours in
        // the list.
        int row = LaneRow;
        int key = (4 * ((row & 7) >> 1)) + (2 * (row >> 3)) + (row & 1);
        return new KeyCopies<THead>
        {
            _firstPlace = block.FirstPlace + (isShared ? Group.IdxX / 32 * ScopeSchedule.UnitSize : 0) + key,
            _gridColumns = block.GridColumns,
            _stride = stride,
            // Only the last of a thread's chunks can be past the end of a head: a smaller head has a smaller tile.
            _hasLast = (ChunksAtOnce * (LaneChunks - 1)) + LaneChunk < headVectors,
        };
    }

    /// <summary>Reads which keys this thread copies of a tile or unit, which may be the one past the end.</summary>
    /// <param name="lists">The lists of keys.</param>
    /// <param name="firstKey">The tile's first key, counted from the list's start.</param>
    /// <param name="places">Receives them.</param>
    public readonly void ReadPlaces(ArrayView<int> lists, int firstKey, int[] places)
    {
        for (int row = 0; row < LaneRows; row++)
            places[row] = lists[_firstPlace + firstKey + (2 * row)];
    }

    /// <summary>Finds where they begin in memory; negative where there is no key.</summary>
    public readonly void Find(int[] places, int[] starts)
    {
        for (int row = 0; row < LaneRows; row++)
        {
            starts[row] = ((((places[row] >> 16) * _gridColumns) + (places[row] & 0xFFFF)) * _stride)
                | (places[row] >> 31);
        }
    }

    /// <summary>Starts to copy them, and makes a group of it. Padding rows are zero-filled: a stale NaN times a weight of
    /// 0 would be NaN.</summary>
    /// <param name="to">Where this thread's first chunk goes.</param>
    /// <param name="rows">Keys or values of the image, from this thread's first chunk of the head on.</param>
    /// <param name="starts">Where the keys begin there.</param>
    public readonly void Start(uint to, ArrayView<UInt4> rows, int[] starts)
    {
        for (int row = 0; row < LaneRows; row++)
        {
            bool isKey = starts[row] >= 0;
            for (int chunk = 0; chunk < LaneChunks; chunk++)
            {
                int offset = chunk * ChunksAtOnce * SwizzledTile.ChunkBytes;
                AsyncCopy.StartOrZero(to, (row * RowsAtOnce * PaddedTile.RowBytes(THead.Chunks)) + offset,
                    ref rows[starts[row]], offset,
                    Utilities.Select(isKey & (chunk < LaneChunks - 1 | _hasLast), SwizzledTile.ChunkBytes, 0));
            }
        }

        AsyncCopy.Commit();
    }
}
