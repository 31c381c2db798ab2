namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>The tile of C that a block of <see cref="GemmWgmma{TTile, TElement, TEpilogue, TOutput}"/> computes. Each
/// warpgroup has 64 of its rows and all of its columns.</summary>
internal interface IGemmWgmmaTile
{
    /// <summary>Warpgroups.</summary>
    static abstract int WarpgroupCount { get; }

    /// <summary>Columns of C, a multiple of 32 up to 256.</summary>
    static abstract int Columns { get; }

    /// <summary>Slices of A and W in shared memory, at least four: two are multiplied while the others are
    /// copied.</summary>
    static abstract int StageCount { get; }

    /// <summary>Blocks that share a multiprocessor.</summary>
    static abstract int BlockCount { get; }
}

/// <summary>128 × 256: the fewest bytes per product.</summary>
internal readonly struct GemmWgmmaTile128x256 : IGemmWgmmaTile
{
    public static int WarpgroupCount => 2;

    public static int Columns => 256;

    public static int StageCount => 4;

    public static int BlockCount => 1;
}

/// <summary>128 × 128.</summary>
internal readonly struct GemmWgmmaTile128x128 : IGemmWgmmaTile
{
    public static int WarpgroupCount => 2;

    public static int Columns => 128;

    public static int StageCount => 6;

    public static int BlockCount => 1;
}

/// <summary>64 × 256, for few rows.</summary>
internal readonly struct GemmWgmmaTile64x256 : IGemmWgmmaTile
{
    public static int WarpgroupCount => 1;

    public static int Columns => 256;

    public static int StageCount => 5;

    public static int BlockCount => 1;
}

/// <summary>64 × 128: two blocks share a multiprocessor, so that one multiplies while the other stores.</summary>
internal readonly struct GemmWgmmaTile64x128 : IGemmWgmmaTile
{
    public static int WarpgroupCount => 1;

    public static int Columns => 128;

    public static int StageCount => 4;

    public static int BlockCount => 2;
}

/// <summary>64 × 64: more blocks, for products whose larger tiles would leave multiprocessors idle.</summary>
internal readonly struct GemmWgmmaTile64x64 : IGemmWgmmaTile
{
    public static int WarpgroupCount => 1;

    public static int Columns => 64;

    public static int StageCount => 6;

    public static int BlockCount => 2;
}

/// <summary>64 × 32: the most blocks.</summary>
internal readonly struct GemmWgmmaTile64x32 : IGemmWgmmaTile
{
    public static int WarpgroupCount => 1;

    public static int Columns => 32;

    public static int StageCount => 6;

    public static int BlockCount => 3;
}
