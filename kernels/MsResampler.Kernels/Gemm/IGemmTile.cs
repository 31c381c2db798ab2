namespace MsResampler.Kernels.Gemm;

/// <summary>The tile of C that a block of <see cref="GemmTiled{TTile, TEpilogue}"/> computes. Its threads form rows
/// and columns; each computes whole quads of four rows and of four columns.</summary>
internal interface IGemmTile
{
    /// <summary>Threads along the rows; a multiple of 8, so that the swizzle keeps the rows of a quad
    /// together.</summary>
    static abstract int ThreadRows { get; }

    /// <summary>Threads along the columns; a multiple of 8 for the same reason.</summary>
    static abstract int ThreadColumns { get; }

    /// <summary>Quads of rows in a thread.</summary>
    static abstract int RowQuads { get; }

    /// <summary>Quads of columns in a thread.</summary>
    static abstract int ColumnQuads { get; }
}

/// <summary>128 × 128 with 256 threads of 8 × 8: the fewest loads from shared memory per product.</summary>
internal readonly struct GemmTile128 : IGemmTile
{
    public static int ThreadRows => 16;

    public static int ThreadColumns => 16;

    public static int RowQuads => 2;

    public static int ColumnQuads => 2;
}

/// <summary>64 × 64 with 128 threads of 8 × 4: four times as many blocks, for products whose large tiles would leave
/// multiprocessors idle.</summary>
internal readonly struct GemmTile64 : IGemmTile
{
    public static int ThreadRows => 8;

    public static int ThreadColumns => 16;

    public static int RowQuads => 2;

    public static int ColumnQuads => 1;
}

/// <summary>32 × 32 with 64 threads of 4 × 4: few threads, for devices with slow barriers.</summary>
internal readonly struct GemmTile32 : IGemmTile
{
    public static int ThreadRows => 8;

    public static int ThreadColumns => 8;

    public static int RowQuads => 1;

    public static int ColumnQuads => 1;
}
