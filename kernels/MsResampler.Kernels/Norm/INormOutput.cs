namespace MsResampler.Kernels.Norm;

/// <summary>The rows that a layer normalisation stores.</summary>
internal interface INormOutput
{
    /// <summary>Whether the normalised rows are stored.</summary>
    static abstract bool IsPlainStored { get; }

    /// <summary>Whether the normalised rows plus their positions are stored.</summary>
    static abstract bool IsPositionedStored { get; }
}

/// <summary>The normalised rows.</summary>
internal readonly struct PlainRows : INormOutput
{
    public static bool IsPlainStored => true;

    public static bool IsPositionedStored => false;
}

/// <summary>The normalised rows plus their positions.</summary>
internal readonly struct PositionedRows : INormOutput
{
    public static bool IsPlainStored => false;

    public static bool IsPositionedStored => true;
}

/// <summary>Both: rows for values and rows for keys.</summary>
internal readonly struct BothRows : INormOutput
{
    public static bool IsPlainStored => true;

    public static bool IsPositionedStored => true;
}
