using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Algorithms.ScanReduceOperations;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>What normalises one row, found by the lanes of a warp together. Lane l holds the groups of four l, l+32, ...
/// of the row.</summary>
/// <remarks>
/// <para>Right for every finite row, whatever its scale and however far it is from 0. Elements are taken relative to a
/// power of two near the largest of them, which is exact, so that their squares neither overflow nor vanish.</para>
/// <para>The mean is found from differences to one element of the row: that of equal elements is exact. What the mean's
/// own rounding leaves of it, the shift, is found from the differences to the mean, which are exact where they are small
/// beside it, and taken from each of them and from their mean square.</para>
/// </remarks>
/// <param name="Unit">What elements are multiplied by, a power of two.</param>
/// <param name="Mean">Nearly the mean, in that unit.</param>
/// <param name="Shift">The mean of the differences to it.</param>
/// <param name="Scale">1/√(variance + ε), in that unit.</param>
internal readonly record struct RowStatistics(float Unit, float Mean, float Shift, float Scale)
{
    /// <summary>What differences are multiplied by before they are added up: a million of the largest do not
    /// overflow.</summary>
    private const float SumUnit = 1f / (1 << 21);

    /// <summary>Less than any variance in the row's unit: neighbouring floats between ½ and 1 stand 2⁻²⁴ apart, and one of
    /// 2²⁰ elements may differ. The variance of equal elements is 0.</summary>
    private const float LeastVariance = 1f / (1L << 60) / (1L << 20);

    /// <summary>The sum over a warp's lanes, in an order that depends on nothing.</summary>
    public static float Sum(float value) => WarpExtensions.AllReduce<float, AddFloat>(value);

    /// <summary>The largest over a warp's lanes.</summary>
    public static float Max(float value) => WarpExtensions.AllReduce<float, MaxFloat>(value);

    /// <summary>Reads a row twice.</summary>
    /// <param name="row">The rows.</param>
    /// <param name="start">The row's first group of four.</param>
    /// <param name="width">Its elements; the rest of its last group is ignored.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static RowStatistics Of(ArrayView<Float4> row, int start, int width, float rootEpsilon)
    {
        float pivot = row[start].X;
        float magnitude = 0;
        Float4 sum = default;
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
        {
            Float4 value = row[start + vector].Within(width - (4 * vector));
            magnitude = IntrinsicMath.Max(magnitude, value.Magnitude());
            sum = sum.Plus(ForSum(value, pivot).Within(width - (4 * vector)));
        }

        RowStatistics centre = Centre(Max(magnitude), Sum(sum.Sum()), pivot, width, rootEpsilon);
        Float4 shifts = default;
        Float4 squares = default;
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
        {
            Float4 difference = centre.Difference(row[start + vector]).Within(width - (4 * vector));
            shifts = shifts.Plus(difference);
            squares = squares.PlusProduct(difference, difference);
        }

        return centre.WithVariance(Sum(shifts.Sum()), Sum(squares.Sum()), width, rootEpsilon);
    }

    /// <summary>Differences of elements to one of their row, as <see cref="Centre"/> takes their sum.</summary>
    public static Float4 ForSum(Float4 value, float pivot) => value.TimesLess(SumUnit, pivot * SumUnit);

    /// <summary>Unit and mean of a row.</summary>
    /// <param name="magnitude">The largest magnitude of an element.</param>
    /// <param name="sum">The sum of <see cref="ForSum"/>.</param>
    /// <param name="pivot">The element that it is relative to.</param>
    /// <param name="width">The row's elements.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static RowStatistics Centre(float magnitude, float sum, float pivot, int width, float rootEpsilon)
    {
        // A row far below √ε has √ε for its unit, so that ε does not overflow in it.
        float unit = InverseUnitOf(IntrinsicMath.Max(magnitude, rootEpsilon));
        return new RowStatistics(unit, PtxMath.Fma(sum / width * unit, 1 / SumUnit, pivot * unit), 0, 0);
    }

    /// <summary>The power of two that takes a number to between 1 and 2; to less where it is subnormal, to less than 4
    /// where it is 2¹²⁷ or more.</summary>
    public static float InverseUnitOf(float magnitude)
    {
        int exponent = (int)(Interop.FloatAsInt(magnitude) >> 23);
        return Interop.IntAsFloat((uint)IntrinsicMath.Max(254 - exponent, 1) << 23);
    }

    /// <summary>Differences of elements to <see cref="Mean"/>.</summary>
    public Float4 Difference(Float4 value) => value.TimesLess(Unit, Mean);

    /// <summary>Adds what the differences to the mean say.</summary>
    /// <param name="shifts">Their sum.</param>
    /// <param name="squares">The sum of their squares.</param>
    /// <param name="width">The row's elements.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public RowStatistics WithVariance(float shifts, float squares, int width, float rootEpsilon)
    {
        float shift = shifts / width;
        float variance = PtxMath.Fma(-shift, shift, squares / width);
        float root = rootEpsilon * Unit;
        return this with
        {
            Shift = shift,
            Scale = PtxMath.ReciprocalSqrt(IntrinsicMath.Max(PtxMath.Fma(root, root, variance), LeastVariance)),
        };
    }

    /// <summary>The normalised elements.</summary>
    public Float4 Apply(Float4 value, Float4 weight, Float4 bias)
    {
        Float4 normal = Difference(value).Less(Shift).Times(Scale);
        return bias.PlusProduct(normal, weight);
    }
}
