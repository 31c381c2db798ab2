namespace MsResampler.Kernels.Attention;

/// <summary>How much of a head one block holds, and how many warps share its keys.</summary>
internal interface IHeadTile
{
    /// <summary>Groups of four channels in registers, for each of eight lanes.</summary>
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

/// <summary>Heads of up to 128 channels, and wider ones in slices of as many.</summary>
internal readonly struct HeadTile128 : IHeadTile
{
    public static int LaneVectors => 4;

    public static int WarpCount => 4;
}

/// <summary>Heads of up to 32 channels, or slices of as many, and one warp: for devices whose barriers are slow.
/// </summary>
internal readonly struct HeadTile32OneWarp : IHeadTile
{
    public static int LaneVectors => 1;

    public static int WarpCount => 1;
}
