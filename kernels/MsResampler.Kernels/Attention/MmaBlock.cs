using System.Runtime.InteropServices;
using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>One block of the tensor-core attention's schedule: a tile of one image's queries in one scope and the list
/// of patches that any of them sees. All places are counted from the start of the views that the kernel gets. 64 bytes,
/// which a thread reads in four instructions.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MmaBlock
{
    /// <summary>The row of the stacked patches where the image begins.</summary>
    public int FirstPatch;

    /// <summary>Columns of the image's patch grid.</summary>
    public int GridColumns;

    /// <summary>Where the list of keys begins among the places; a multiple of 4. It is whole tiles of
    /// <see cref="ScopeSchedule.TileKeys"/> places long, of which the last has no keys.</summary>
    public int FirstPlace;

    /// <summary>The scope whose keys and values are used.</summary>
    public int KeyScope;

    /// <summary>Keys of the list, rounded up to a multiple of 16.</summary>
    public int KeyCount;

    /// <summary>Tiles of <see cref="ScopeSchedule.TileKeys"/> keys at the list's start that every query sees and that
    /// have no bias.</summary>
    public int FullTiles;

    /// <summary>Where head 0's bias tables begin; negative where the windows say everything.</summary>
    public int Bias;

    /// <summary>From one head's tables to the next; 0 where heads share them.</summary>
    public int BiasHeadStride;

    /// <summary>Columns of the tile.</summary>
    public int TileColumns;

    /// <summary>2¹⁶ / <see cref="TileColumns"/>, rounded up.</summary>
    public int TileColumnsReciprocal;

    /// <summary>Queries of the tile, <see cref="ScopeSchedule.MaxQueries"/> at most.</summary>
    public int QueryCount;

    /// <summary>The group of 16 bytes where the tile's first query begins.</summary>
    public int QueryStart;

    /// <summary>Where the window of the tile's first query row lies.</summary>
    public int RowWindows;

    /// <summary>Where the window of the tile's first query column lies.</summary>
    public int ColumnWindows;

    /// <summary>The row of the output of the tile's first query.</summary>
    public int FirstToken;

    /// <summary>The scope, which decides the columns of the output.</summary>
    public int Scope;

    /// <summary>The row of the tile where one of its queries is. Exact: the reciprocal is less than 1 too large, which
    /// adds less than <see cref="ScopeSchedule.MaxQueries"/> to a product that lacks 2¹⁶ over as many at
    /// least.</summary>
    public readonly int RowOf(int query) => (query * TileColumnsReciprocal) >> 16;

    /// <summary>The column of the tile where it is.</summary>
    public readonly int ColumnOf(int query) => query - (RowOf(query) * TileColumns);

    /// <summary>How many queries after the tile's first one it is in the model's order.</summary>
    public readonly int IndexOf(int query, int queryColumns) => (RowOf(query) * queryColumns) + ColumnOf(query);

    /// <summary>Reads a block; a second time too, where its fields are to be kept out of registers meanwhile.</summary>
    public static MmaBlock Load(ArrayView<MmaBlock> blocks, int index)
    {
        UInt4 image = GlobalMemoryAccess.LoadUInt4(ref blocks[index].FirstPatch);
        UInt4 keys = GlobalMemoryAccess.LoadUInt4(ref blocks[index].KeyCount);
        UInt4 tile = GlobalMemoryAccess.LoadUInt4(ref blocks[index].TileColumns);
        UInt4 scope = GlobalMemoryAccess.LoadUInt4(ref blocks[index].RowWindows);
        return new MmaBlock
        {
            FirstPatch = (int)image.X,
            GridColumns = (int)image.Y,
            FirstPlace = (int)image.Z,
            KeyScope = (int)image.W,
            KeyCount = (int)keys.X,
            FullTiles = (int)keys.Y,
            Bias = (int)keys.Z,
            BiasHeadStride = (int)keys.W,
            TileColumns = (int)tile.X,
            TileColumnsReciprocal = (int)tile.Y,
            QueryCount = (int)tile.Z,
            QueryStart = (int)tile.W,
            RowWindows = (int)scope.X,
            ColumnWindows = (int)scope.Y,
            FirstToken = (int)scope.Z,
            Scope = (int)scope.W,
        };
    }
}
