using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Algorithms.ScanReduceOperations;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Mean and inverse deviation of one row, found by the lanes of a warp together. Lane l holds the groups of
/// four l, l+32, ... of the row.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Scale">1/√(variance + ε).</param>
internal readonly record struct RowStatistics(float Mean, float Scale)
{
    /// <summary>The sum over a warp's lanes, in an order that depends on nothing.</summary>
    public static float Sum(float value) => WarpExtensions.AllReduce<float, AddFloat>(value);

    /// <summary>Reads a row twice: the variance is the mean of squared differences.</summary>
    /// <param name="row">The rows.</param>
    /// <param name="start">The row's first group of four.</param>
    /// <param name="width">Its elements; the rest of its last group is ignored.</param>
    /// <param name="epsilon">ε.</param>
    public static RowStatistics Of(ArrayView<Float4> row, int start, int width, float epsilon)
    {
        Float4 sum = default;
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
            sum = sum.Plus(Within(row[start + vector], width - (4 * vector)));
        return WithMean(row, start, width, epsilon, Sum(sum.Sum()) / width);
    }

    /// <summary>Reads a row of known mean once.</summary>
    public static RowStatistics WithMean(ArrayView<Float4> row, int start, int width, float epsilon, float mean)
    {
        Float4 squares = default;
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
        {
            Float4 value = row[start + vector];
            Float4 difference = Within(new Float4(value.X - mean, value.Y - mean, value.Z - mean, value.W - mean),
                width - (4 * vector));
            squares = squares.PlusProduct(difference, difference);
        }

        float variance = Sum(squares.Sum()) / width;
        return new RowStatistics(mean, PtxMath.ReciprocalSqrt(variance + epsilon));
    }

    /// <summary>The normalised elements.</summary>
    public Float4 Apply(Float4 value, Float4 weight, Float4 bias) => new(
        PtxMath.Fma((value.X - Mean) * Scale, weight.X, bias.X),
        PtxMath.Fma((value.Y - Mean) * Scale, weight.Y, bias.Y),
        PtxMath.Fma((value.Z - Mean) * Scale, weight.Z, bias.Z),
        PtxMath.Fma((value.W - Mean) * Scale, weight.W, bias.W));

    /// <summary>The first <paramref name="count"/> elements, and zeros for the others.</summary>
    private static Float4 Within(Float4 value, int count) => new(value.X, count > 1 ? value.Y : 0,
        count > 2 ? value.Z : 0, count > 3 ? value.W : 0);
}
