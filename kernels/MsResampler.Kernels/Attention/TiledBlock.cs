namespace MsResampler.Kernels.Attention;

/// <summary>One block in the schedule of <see cref="ScopeAttentionTiled{THead}"/>: a tile of one image's queries in
/// one scope, and the rectangle of patches that contains all their windows. A rectangle that no query of a tile sees
/// has no block.</summary>
internal struct TiledBlock
{
    /// <summary>The patch at the corner of the rectangle, among the patches of all images.</summary>
    public int FirstKey;

    /// <summary>Columns of the patch grid of the image.</summary>
    public int GridColumns;

    /// <summary>Columns of the rectangle.</summary>
    public int KeyColumns;

    /// <summary>Patches of the rectangle.</summary>
    public int KeyCount;

    /// <summary>The row of the first query of the tile in the query grid.</summary>
    public int QueryRow;

    /// <summary>The column of the first query of the tile in the query grid.</summary>
    public int QueryColumn;

    /// <summary>Columns of the tile.</summary>
    public int TileColumns;

    /// <summary>Queries of the tile.</summary>
    public int QueryCount;

    /// <summary>The index of the first query of the scope in vectors of four floats.</summary>
    public int QueryStart;

    /// <summary>The first output row of the image.</summary>
    public int FirstToken;

    /// <summary>The scope, which selects the columns of the output.</summary>
    public int Scope;

    /// <summary>The scope whose keys and values are used.</summary>
    public int KeyScope;

    /// <summary>The index of the bias of the first row of the rectangle for query row 0 and head 0; negative if the
    /// bias is zero everywhere, as in a full block of a mask.</summary>
    public int RowBias;

    /// <summary>The index of the bias of the first column of the rectangle for query column 0 and head 0.</summary>
    public int ColumnBias;

    /// <summary>The distance between the row biases of neighbouring query rows: rows of the patch grid.</summary>
    public int GridRows;

    /// <summary>The distance between the biases of neighbouring heads; 0 if heads share them.</summary>
    public int BiasHeadStride;
}
