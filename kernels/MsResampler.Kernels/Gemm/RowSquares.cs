using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>Sums of the squares of a matrix's rows, from which rows with mean 0 get their deviation. There is one
/// sum for each 32 columns. A warp has these in every tile, so that a sum does not depend on the tile.</summary>
/// <remarks>Their layout is [⌈columns/32⌉, rows], so that eight lanes store neighbours, and threads read neighbours.
/// The stride from one 32 columns to the next is a multiple of 8, so that sums fill whole sectors.</remarks>
internal static class RowSquares
{
    /// <summary>Quads of columns in one sum.</summary>
    public const int ColumnQuads = 8;

    /// <summary>Sums that a thread loads before it adds them, so that it waits for memory once.</summary>
    private const int ReadAtOnce = 32;

    /// <summary>The number of sums of a row.</summary>
    /// <param name="columnQuads">Quads in a row.</param>
    public static int CountOf(int columnQuads) => (columnQuads + ColumnQuads - 1) / ColumnQuads;

    /// <summary>A bound below the mean square of any non-zero row: rows are multiplied by their units.</summary>
    public const float LeastSquare = 1f / (1L << 60) / (1L << 60);

    /// <summary>The factor of a row, 1/√(squares/width + ε), with its sums added in order; 1 if it has
    /// none.</summary>
    /// <param name="squares">The sums.</param>
    /// <param name="units">The factor that each row was multiplied by.</param>
    /// <param name="row">The row.</param>
    /// <param name="stride">Elements from one sum of a row to the next.</param>
    /// <param name="count">Sums of a row.</param>
    /// <param name="width">The divisor of their total.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static float ScaleOf(ArrayView<float> squares, ArrayView<float> units, int row, int stride, int count,
        int width, float rootEpsilon)
    {
        float sum = 0;
        float root = 0;
        if (count > 0)
            root = rootEpsilon * units[row];
        for (int first = 0; first < count; first += ReadAtOnce)
        {
            for (int next = 0; next < ReadAtOnce; next++)
            {
                float part = 0;
                if (first + next < count)
                    part = squares[((first + next) * stride) + row];
                sum += part;
            }
        }

        float square = IntrinsicMath.Max(PtxMath.Fma(root, root, sum / width), LeastSquare);
        return count > 0 ? PtxMath.ReciprocalSqrt(square) : 1f;
    }

    /// <summary>Adds the sums of the four lanes that share rows g and g+8 (<see cref="MmaSums"/>), and stores them.
    /// The whole warp takes part.</summary>
    /// <param name="squares">Receives the sums.</param>
    /// <param name="place">The index of the sum of row g.</param>
    /// <param name="remainingRows">Rows from g to the last one; 0 or less if nothing is stored.</param>
    /// <param name="upper">This lane's sum of row g.</param>
    /// <param name="lower">This lane's sum of row g+8.</param>
    public static void Store(ArrayView<float> squares, int place, int remainingRows, float upper, float lower)
    {
        upper += Warp.ShuffleXor(upper, 1);
        lower += Warp.ShuffleXor(lower, 1);
        upper += Warp.ShuffleXor(upper, 2);
        lower += Warp.ShuffleXor(lower, 2);
        int half = Warp.LaneIdx % 4;
        if (half < 2 & 8 * half < remainingRows)
            squares[place + (8 * half)] = half == 0 ? upper : lower;
    }
}
