namespace MsResampler.Kernels.Gemm;

/// <summary>The share of a product that one block of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/>
/// computes: warps in rows and columns, each with whole tiles of 16 × 16.</summary>
internal interface IGemmMmaTile
{
    /// <summary>Warps along the rows.</summary>
    static abstract int WarpRows { get; }

    /// <summary>Warps along the columns.</summary>
    static abstract int WarpColumns { get; }

    /// <summary>Groups of 16 rows that a warp has.</summary>
    static abstract int RowTiles { get; }

    /// <summary>Groups of 16 columns that a warp has.</summary>
    static abstract int ColumnPairs { get; }

    /// <summary>Slices of A and W in shared memory at once: one is multiplied while the others arrive.</summary>
    static abstract int StageCount { get; }
}

/// <summary>128 × 128 by 8 warps of 64 × 32. Three stages are the 48 KiB that a kernel may declare.</summary>
internal readonly struct GemmMmaTile128x128 : IGemmMmaTile
{
    public static int WarpRows => 2;

    public static int WarpColumns => 4;

    public static int RowTiles => 4;

    public static int ColumnPairs => 2;

    public static int StageCount => 3;
}

/// <summary>128 × 128 by 4 warps of 64 × 64: a third less to read from shared memory, which on Hopper takes longer than
/// the products of 64 × 32.</summary>
internal readonly struct GemmMmaTile128x128Wide : IGemmMmaTile
{
    public static int WarpRows => 2;

    public static int WarpColumns => 2;

    public static int RowTiles => 4;

    public static int ColumnPairs => 4;

    public static int StageCount => 3;
}

/// <summary>128 × 64 by 4 warps of 64 × 32: twice the blocks, where the large tile would leave multiprocessors without
/// work. Four stages, because one block may have a multiprocessor to itself.</summary>
internal readonly struct GemmMmaTile128x64 : IGemmMmaTile
{
    public static int WarpRows => 2;

    public static int WarpColumns => 2;

    public static int RowTiles => 4;

    public static int ColumnPairs => 2;

    public static int StageCount => 4;
}

/// <summary>64 × 64 by 2 warps of 64 × 32: four times the blocks.</summary>
internal readonly struct GemmMmaTile64x64 : IGemmMmaTile
{
    public static int WarpRows => 1;

    public static int WarpColumns => 2;

    public static int RowTiles => 4;

    public static int ColumnPairs => 2;

    public static int StageCount => 4;
}
