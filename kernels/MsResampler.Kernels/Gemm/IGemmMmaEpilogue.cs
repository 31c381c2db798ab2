namespace MsResampler.Kernels.Gemm;

/// <summary>What becomes of the elements of a <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> before they
/// are stored.</summary>
internal interface IGemmMmaEpilogue
{
    /// <summary>Whether the sums of the elements' squares are stored beside them.</summary>
    static abstract bool StoresSquares { get; }

    /// <summary>Whether rows have scales, and rows of a table to add.</summary>
    static abstract bool IsScaled { get; }

    /// <summary>The element's final value, bias, scale and table included.</summary>
    static abstract float Apply(float value);
}

/// <summary>Stores elements as they are and the sums of their squares, for a layer normalisation of rows whose mean is
/// 0.</summary>
internal readonly struct SquaresEpilogue : IGemmMmaEpilogue
{
    public static bool StoresSquares => true;

    public static bool IsScaled => false;

    public static float Apply(float value) => value;
}

/// <summary>Multiplies rows by what normalises the rows of A, and adds rows of a table.</summary>
internal readonly struct ScaledEpilogue : IGemmMmaEpilogue
{
    public static bool StoresSquares => false;

    public static bool IsScaled => true;

    public static float Apply(float value) => value;
}
