namespace MsResampler.Kernels.Gemm;

/// <summary>The final operation of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> on the elements before
/// they are stored.</summary>
internal interface IGemmMmaEpilogue
{
    /// <summary>Whether sums of the squares of the elements are stored.</summary>
    static abstract bool StoresSquares { get; }

    /// <summary>Whether rows are scaled and rows of a table are added.</summary>
    static abstract bool IsScaled { get; }

    /// <summary>The final value of an element that includes bias, scale and table.</summary>
    static abstract float Apply(float value);
}

/// <summary>Stores elements unchanged and the sums of their squares, for a layer normalisation of rows with mean
/// 0.</summary>
internal readonly struct SquaresEpilogue : IGemmMmaEpilogue
{
    public static bool StoresSquares => true;

    public static bool IsScaled => false;

    public static float Apply(float value) => value;
}

/// <summary>Multiplies rows by the factors that normalise the rows of A, and adds rows of a table.</summary>
internal readonly struct ScaledEpilogue : IGemmMmaEpilogue
{
    public static bool StoresSquares => false;

    public static bool IsScaled => true;

    public static float Apply(float value) => value;
}
