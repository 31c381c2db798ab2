namespace MsResampler.Kernels.Attention;

/// <summary>The channels of a head that <see cref="ScopeAttentionMma{THead, TElement}"/> computes; those beyond the
/// head are zero.</summary>
internal interface IMmaHeadTile
{
    /// <summary>Chunks of 8 channels; an even number.</summary>
    static abstract int Chunks { get; }

    /// <summary>Blocks that should share a multiprocessor; registers are limited accordingly.</summary>
    static abstract int BlockCount { get; }
}

/// <summary>Up to 32 channels.</summary>
internal readonly struct MmaHeadTile32 : IMmaHeadTile
{
    public static int Chunks => 4;

    public static int BlockCount => 3;
}

/// <summary>Up to 64 channels.</summary>
/// <remarks>On sm_80 ptxas 12.4 does not fit the loop with a bias into the 168 registers of three blocks: it stores 12
/// bytes and loads 20 in local memory, with 3 of the loop's 667 instructions; ptxas 11.8 and later devices do not.
/// Without <c>.minnctapersm</c> it needs 141 registers and no local memory: three blocks still fit, and this loop has
/// 665 instructions, the others as many as before. Which is faster has not been measured.</remarks>
internal readonly struct MmaHeadTile64 : IMmaHeadTile
{
    public static int Chunks => 8;

    public static int BlockCount => 3;
}

/// <summary>Up to 80 channels.</summary>
internal readonly struct MmaHeadTile80 : IMmaHeadTile
{
    public static int Chunks => 10;

    public static int BlockCount => 2;
}

/// <summary>Up to 96 channels.</summary>
internal readonly struct MmaHeadTile96 : IMmaHeadTile
{
    public static int Chunks => 12;

    public static int BlockCount => 2;
}

/// <summary>Up to 128 channels.</summary>
internal readonly struct MmaHeadTile128 : IMmaHeadTile
{
    public static int Chunks => 16;

    public static int BlockCount => 2;
}
