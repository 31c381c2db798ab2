namespace MsResampler.Kernels.Gemm;

/// <summary>The share of a product that one block computes: threads in rows and columns, each with whole groups of four
/// rows and four columns.</summary>
internal interface IGemmTile
{
    /// <summary>Threads along the rows; a multiple of 8, so that the swizzle keeps each group's rows
    /// together.</summary>
    static abstract int ThreadRows { get; }

    /// <summary>Threads along the columns; likewise a multiple of 8.</summary>
    static abstract int ThreadColumns { get; }

    /// <summary>Groups of four rows that a thread has.</summary>
    static abstract int RowGroups { get; }

    /// <summary>Groups of four columns that a thread has.</summary>
    static abstract int ColumnGroups { get; }
}

/// <summary>128 × 128 by 256 threads of 8 × 8: the fewest loads from shared memory for each product.</summary>
internal readonly struct GemmTile128 : IGemmTile
{
    public static int ThreadRows => 16;

    public static int ThreadColumns => 16;

    public static int RowGroups => 2;

    public static int ColumnGroups => 2;
}

/// <summary>64 × 64 by 128 threads of 8 × 4: four times the blocks, where the large tile would leave multiprocessors
/// without work.</summary>
internal readonly struct GemmTile64 : IGemmTile
{
    public static int ThreadRows => 8;

    public static int ThreadColumns => 16;

    public static int RowGroups => 2;

    public static int ColumnGroups => 1;
}

/// <summary>32 × 32 by 64 threads of 4 × 4: few threads, for devices whose barriers are slow.</summary>
internal readonly struct GemmTile32 : IGemmTile
{
    public static int ThreadRows => 8;

    public static int ThreadColumns => 8;

    public static int RowGroups => 1;

    public static int ColumnGroups => 1;
}
