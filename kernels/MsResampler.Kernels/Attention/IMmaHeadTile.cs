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
