namespace MsResampler.Kernels.Norm;

/// <summary>What a layer normalisation stores.</summary>
internal interface INormOutput
{
    /// <summary>Whether the normalised rows are stored as they are.</summary>
    static abstract bool IsPlainStored { get; }

    /// <summary>Whether the rows plus their positions are stored.</summary>
    static abstract bool IsPositionedStored { get; }
}

/// <summary>Normalised rows.</summary>
internal readonly struct PlainRows : INormOutput
{
    public static bool IsPlainStored => true;

    public static bool IsPositionedStored => false;
}

/// <summary>Normalised rows with their positions added.</summary>
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
