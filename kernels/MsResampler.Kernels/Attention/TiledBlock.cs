namespace MsResampler.Kernels.Attention;

/// <summary>One block of the attention schedule: a tile of one image's queries in one scope against the rectangle of
/// patches that holds all their windows. Rectangles that no query of a tile sees have no block.</summary>
internal struct TiledBlock
{
    /// <summary>The row of the stacked patches at the rectangle's corner.</summary>
    public int FirstKey;

    /// <summary>Columns of the image's patch grid.</summary>
    public int GridColumns;

    /// <summary>Columns of the rectangle.</summary>
    public int KeyColumns;

    /// <summary>Patches of the rectangle.</summary>
    public int KeyCount;

    /// <summary>The query at the tile's corner: its row of the query grid.</summary>
    public int QueryRow;

    /// <summary>Its column.</summary>
    public int QueryColumn;

    /// <summary>Columns of the tile.</summary>
    public int TileColumns;

    /// <summary>Queries of the tile.</summary>
    public int QueryCount;

    /// <summary>The group of four where the scope's queries begin.</summary>
    public int QueryStart;

    /// <summary>The image's first row of the output.</summary>
    public int FirstToken;

    /// <summary>The scope, which decides the columns of the output.</summary>
    public int Scope;

    /// <summary>The scope whose keys and values are used.</summary>
    public int KeyScope;

    /// <summary>Where the bias of the rectangle's first row lies for query row 0 and head 0; negative where the bias is
    /// zero throughout, which is what a full block of a mask has.</summary>
    public int RowBias;

    /// <summary>Where the bias of the rectangle's first column lies for query column 0 and head 0.</summary>
    public int ColumnBias;

    /// <summary>From one query row's bias to the next: rows of the patch grid.</summary>
    public int GridRows;

    /// <summary>From one head's bias to the next; 0 where heads share it.</summary>
    public int BiasHeadStride;
}
