using System.Runtime.InteropServices;
using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>One block in the schedule of <see cref="ScopeAttentionMma{THead, TElement}"/>: a tile of one image's
/// queries in one scope, and the list of patches that any of them sees. All indices count from the start of the
/// kernel's views. 64 bytes, which a thread loads with four instructions.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MmaBlock
{
    /// <summary>The first patch of the image among the patches of all images.</summary>
    public int FirstPatch;

    /// <summary>Columns of the patch grid of the image.</summary>
    public int GridColumns;

    /// <summary>The start of the list of keys among the places; a multiple of 4. The list has whole tiles of
    /// <see cref="ScopeSchedule.TileKeys"/> places, and the last tile has no keys.</summary>
    public int FirstPlace;

    /// <summary>The scope whose keys and values are used.</summary>
    public int KeyScope;

    /// <summary>The number of keys, rounded up to a multiple of 16.</summary>
    public int KeyCount;

    /// <summary>The number of tiles of <see cref="ScopeSchedule.TileKeys"/> keys, at the start of the list, that
    /// every query sees and that have no bias.</summary>
    public int FullTiles;

    /// <summary>The start of the bias tables of head 0; negative if the scope has only windows.</summary>
    public int Bias;

    /// <summary>The distance between the tables of neighbouring heads; 0 if heads share the tables.</summary>
    public int BiasHeadStride;

    /// <summary>Columns of the query tile.</summary>
    public int TileColumns;

    /// <summary>2¹⁶ / <see cref="TileColumns"/>, rounded up.</summary>
    public int TileColumnsReciprocal;

    /// <summary>Queries of the tile, at most <see cref="ScopeSchedule.MaxQueries"/>.</summary>
    public int QueryCount;

    /// <summary>The index of the first query of the tile in vectors of 16 bytes.</summary>
    public int QueryStart;

    /// <summary>The index of the window of the tile's first query row.</summary>
    public int RowWindows;

    /// <summary>The index of the window of the tile's first query column.</summary>
    public int ColumnWindows;

    /// <summary>The output row of the first query of the tile.</summary>
    public int FirstToken;

    /// <summary>The scope, which selects the columns of the output.</summary>
    public int Scope;

    /// <summary>The row of a query in the tile. This is exact: the reciprocal is too large by less than 1, so the
    /// product is too large by less than <see cref="ScopeSchedule.MaxQueries"/>, and it lies at least 2¹⁶ /
    /// <see cref="ScopeSchedule.MaxQueries"/> below the next multiple of 2¹⁶.</summary>
    public readonly int RowOf(int query) => (query * TileColumnsReciprocal) >> 16;

    /// <summary>The column of a query in the tile.</summary>
    public readonly int ColumnOf(int query) => query - (RowOf(query) * TileColumns);

    /// <summary>The distance of a query from the first one of the tile, in the order of the query grid.</summary>
    public readonly int IndexOf(int query, int queryColumns) => (RowOf(query) * queryColumns) + ColumnOf(query);

    /// <summary>Loads a block. A kernel loads it again instead of keeping its fields in registers.</summary>
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
