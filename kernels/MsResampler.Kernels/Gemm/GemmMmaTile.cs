namespace MsResampler.Kernels.Gemm;

/// <summary>The tile of C that a block of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> computes. Its
/// warps form rows and columns; each computes whole tiles of 16 × 16.</summary>
internal interface IGemmMmaTile
{
    /// <summary>Warps along the rows.</summary>
    static abstract int WarpRows { get; }

    /// <summary>Warps along the columns.</summary>
    static abstract int WarpColumns { get; }

    /// <summary>Tiles of 16 rows in a warp.</summary>
    static abstract int RowTiles { get; }

    /// <summary>Tiles of 16 columns in a warp, each a pair of tiles of 8 columns.</summary>
    static abstract int ColumnPairs { get; }

    /// <summary>Slices of A and W in shared memory: one is multiplied while the others are copied.</summary>
    static abstract int StageCount { get; }
}

/// <summary>128 × 128 with 8 warps of 64 × 32. Three stages fill the 48 KiB that a kernel may declare.</summary>
internal readonly struct GemmMmaTile128x128 : IGemmMmaTile
{
    public static int WarpRows => 2;

    public static int WarpColumns => 4;

    public static int RowTiles => 4;

    public static int ColumnPairs => 2;

    public static int StageCount => 3;
}

/// <summary>128 × 128 with 4 warps of 64 × 64. They read a third less from shared memory, which for 64 × 32 takes as
/// long as the products on sm_80 and longer on Hopper (<see cref="GemmShape.LargeFor"/>).</summary>
internal readonly struct GemmMmaTile128x128Wide : IGemmMmaTile
{
    public static int WarpRows => 2;

    public static int WarpColumns => 2;

    public static int RowTiles => 4;

    public static int ColumnPairs => 4;

    public static int StageCount => 3;
}

/// <summary>128 × 64 with 4 warps of 64 × 32: twice as many blocks, for products whose large tiles would leave
/// multiprocessors idle. It has four stages, because a block may be alone on its multiprocessor.</summary>
internal readonly struct GemmMmaTile128x64 : IGemmMmaTile
{
    public static int WarpRows => 2;

    public static int WarpColumns => 2;

    public static int RowTiles => 4;

    public static int ColumnPairs => 2;

    public static int StageCount => 4;
}

/// <summary>64 × 64 with 2 warps of 64 × 32: four times as many blocks.</summary>
internal readonly struct GemmMmaTile64x64 : IGemmMmaTile
{
    public static int WarpRows => 1;

    public static int WarpColumns => 2;

    public static int RowTiles => 4;

    public static int ColumnPairs => 2;

    public static int StageCount => 4;
}
