namespace MsResampler.Kernels.Attention;

/// <summary>One block of the tensor-core attention's schedule: a tile of one image's queries in one scope and the list
/// of patches that any of them sees. All places are counted from the start of the views that the kernel gets.</summary>
internal struct ScopeBlock
{
    /// <summary>The row of the stacked patches where the image begins.</summary>
    public int FirstPatch;

    /// <summary>Columns of the image's patch grid.</summary>
    public int GridColumns;

    /// <summary>Where the list of keys begins among the places; a multiple of 4. It is
    /// <see cref="ScopeSchedule.TileKeys"/> places long, or a multiple of that.</summary>
    public int FirstPlace;

    /// <summary>Tiles of <see cref="ScopeSchedule.TileKeys"/> keys at the list's start that every query sees and that
    /// have no bias.</summary>
    public int FullTiles;

    /// <summary>Keys of the list, rounded up to a multiple of 16.</summary>
    public int KeyCount;

    /// <summary>The query at the tile's corner: its row of the query grid.</summary>
    public int QueryRow;

    /// <summary>Its column.</summary>
    public int QueryColumn;

    /// <summary>Columns of the tile.</summary>
    public int TileColumns;

    /// <summary>Queries of the tile, <see cref="ScopeSchedule.MaxQueries"/> at most.</summary>
    public int QueryCount;

    /// <summary>The group of 16 bytes where the scope's queries begin.</summary>
    public int QueryStart;

    /// <summary>The image's first row of the output.</summary>
    public int FirstToken;

    /// <summary>The scope, which decides the columns of the output.</summary>
    public int Scope;

    /// <summary>The scope whose keys and values are used.</summary>
    public int KeyScope;

    /// <summary>Where the window of query row 0 lies.</summary>
    public int RowWindows;

    /// <summary>Where the window of query column 0 lies.</summary>
    public int ColumnWindows;

    /// <summary>Where head 0's scales of rows and columns lie; negative where the prior is not Gaussian.</summary>
    public int Scales;

    /// <summary>From one head's scales to the next; 0 where heads share them.</summary>
    public int ScaleHeadStride;
}
