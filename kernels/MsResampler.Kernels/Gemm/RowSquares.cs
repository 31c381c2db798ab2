using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>Sums of the squares of a matrix's rows, from which rows of mean 0 get their deviation: one for each 32
/// columns, which a warp has in every tile, so that it does not depend on the tile.</summary>
/// <remarks>They lie as [⌈columns/32⌉, rows], so that eight lanes store, and threads read, neighbours; the distance
/// from one 32 columns to the next is a stride, which as a multiple of 8 keeps them in whole sectors.</remarks>
internal static class RowSquares
{
    /// <summary>Groups of four columns whose squares are added up to one number.</summary>
    public const int Vectors = 8;

    /// <summary>Sums that a thread reads before it adds them, so that it waits for memory once.</summary>
    private const int ReadAtOnce = 32;

    /// <summary>Sums of a row.</summary>
    /// <param name="columnVectors">Its groups of four columns.</param>
    public static int CountOf(int columnVectors) => (columnVectors + Vectors - 1) / Vectors;

    /// <summary>Less than the mean square of any row that is not of zeros: rows are in units of their own.</summary>
    private const float LeastSquare = 1f / (1L << 60) / (1L << 60);

    /// <summary>1/√(squares/width + ε) of a row, its sums added in their order; 1 if it has none.</summary>
    /// <param name="squares">The sums.</param>
    /// <param name="units">What multiplied each row.</param>
    /// <param name="row">The row.</param>
    /// <param name="stride">From one of its sums to the next.</param>
    /// <param name="count">Its sums.</param>
    /// <param name="width">What their sum is divided by.</param>
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

    /// <summary>Adds up what the four lanes have that share rows g and g+8 (<see cref="MmaSums"/>), and stores the
    /// sums. The whole warp takes part.</summary>
    /// <param name="squares">Where they go.</param>
    /// <param name="place">Where that of row g goes.</param>
    /// <param name="remainingRows">Rows from g to the last one, 0 or less if nothing is to be stored.</param>
    /// <param name="upper">This lane's sum of row g.</param>
    /// <param name="lower">That of row g+8.</param>
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
