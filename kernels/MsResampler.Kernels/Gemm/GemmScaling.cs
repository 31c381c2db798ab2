using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Gemm;

/// <summary>The sums of squares that a <see cref="SquaresEpilogue"/> stores, or the sums and the table that a
/// <see cref="ScaledEpilogue"/> reads.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GemmScaling
{
    /// <summary>Elements from one sum of a row's squares to the next (<see cref="RowSquares"/>).</summary>
    public int SquareStride;

    /// <summary>Sums of squares of a row of A; 0 for a scale of 1.</summary>
    public int SquareCount;

    /// <summary>The divisor of the squares: elements in a row of A.</summary>
    public int Width;

    /// <summary>Quads in a row of the table, which is added to the first columns of C; 0 for no table.</summary>
    public int TableQuads;

    /// <summary>√ε.</summary>
    public float RootEpsilon;
}
