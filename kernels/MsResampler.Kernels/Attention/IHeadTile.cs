namespace MsResampler.Kernels.Attention;

/// <summary>The part of a head that a block of <see cref="ScopeAttentionTiled{THead}"/> computes, and the number of
/// warps that divide its keys.</summary>
internal interface IHeadTile
{
    /// <summary>Vectors of four channels that each of eight lanes holds in registers.</summary>
    static abstract int LaneVectors { get; }

    /// <summary>Warps of a block.</summary>
    static abstract int WarpCount { get; }
}

/// <summary>Heads of up to 32 channels.</summary>
internal readonly struct HeadTile32 : IHeadTile
{
    public static int LaneVectors => 1;

    public static int WarpCount => 4;
}

/// <summary>Heads of up to 64 channels.</summary>
internal readonly struct HeadTile64 : IHeadTile
{
    public static int LaneVectors => 2;

    public static int WarpCount => 4;
}

/// <summary>Heads of up to 128 channels, and slices of 128 channels of wider heads.</summary>
internal readonly struct HeadTile128 : IHeadTile
{
    public static int LaneVectors => 4;

    public static int WarpCount => 4;
}

/// <summary>Heads of up to 32 channels, or slices of 32 channels, and one warp: for devices with slow
/// barriers.</summary>
internal readonly struct HeadTile32OneWarp : IHeadTile
{
    public static int LaneVectors => 1;

    public static int WarpCount => 1;
}
