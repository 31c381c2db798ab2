using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Algorithms.ScanReduceOperations;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>The statistics that normalise one row, computed by the lanes of a warp together. Lane l processes quads
/// l, l+32, ... of the row.</summary>
/// <remarks>
/// <para>The result is accurate for every finite row, whatever its scale and its distance from 0. Elements are
/// multiplied by a power of two near the reciprocal of the largest magnitude, which is exact, so that their squares
/// neither overflow nor underflow.</para>
/// <para>The mean is computed from differences to one element of the row; for equal elements it is exact. The shift
/// is the rounding error of the mean. It is computed from the differences to the mean, which are exact where they
/// are small, and is subtracted from each difference, and its square from their mean square.</para>
/// </remarks>
/// <param name="Unit">The factor of the elements, a power of two.</param>
/// <param name="Mean">The mean, rounded, of the multiplied elements.</param>
/// <param name="Shift">The mean of their differences to <paramref name="Mean"/>.</param>
/// <param name="Scale">1/√(variance + ε) of the multiplied elements.</param>
internal readonly record struct RowStatistics(float Unit, float Mean, float Shift, float Scale)
{
    /// <summary>The factor of differences in a sum: the sum of a million of the largest floats does not
    /// overflow.</summary>
    private const float SumUnit = 1f / (1 << 21);

    /// <summary>A bound below any non-zero variance of multiplied elements: neighbouring floats between ½ and 1
    /// differ by 2⁻²⁴, and one of 2²⁰ elements may differ. The variance of equal elements is 0.</summary>
    private const float LeastVariance = 1f / (1L << 60) / (1L << 20);

    /// <summary>The sum over the lanes of a warp, in a fixed order.</summary>
    public static float Sum(float value) => WarpExtensions.AllReduce<float, AddFloat>(value);

    /// <summary>The maximum over the lanes of a warp.</summary>
    public static float Max(float value) => WarpExtensions.AllReduce<float, MaxFloat>(value);

    /// <summary>Computes the statistics of a row, which is read twice.</summary>
    /// <typeparam name="T">The storage type of a quad.</typeparam>
    /// <typeparam name="TQuad">The storage of a quad.</typeparam>
    /// <param name="rows">The rows.</param>
    /// <param name="start">The first quad of the row.</param>
    /// <param name="width">Elements in the row; the rest of its last quad is ignored.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static RowStatistics Of<T, TQuad>(ArrayView<T> rows, int start, int width, float rootEpsilon)
        where T : unmanaged
        where TQuad : struct, IQuad<T>
    {
        float pivot = TQuad.First(rows, start);
        float magnitude = 0;
        Float4 sum = default;
        for (int quad = Warp.LaneIdx; 4 * quad < width; quad += Warp.WarpSize)
        {
            Float4 value = TQuad.Unpack(rows[start + quad]).Within(width - (4 * quad));
            magnitude = IntrinsicMath.Max(magnitude, value.Magnitude());
            sum = sum.Plus(ForSum(value, pivot).Within(width - (4 * quad)));
        }

        RowStatistics centre = Centre(Max(magnitude), Sum(sum.Sum()), pivot, width, rootEpsilon);
        Float4 shifts = default;
        Float4 squares = default;
        for (int quad = Warp.LaneIdx; 4 * quad < width; quad += Warp.WarpSize)
        {
            Float4 difference = centre.Difference(TQuad.Unpack(rows[start + quad])).Within(width - (4 * quad));
            shifts = shifts.Plus(difference);
            squares = squares.PlusProduct(difference, difference);
        }

        return centre.WithVariance(Sum(shifts.Sum()), Sum(squares.Sum()), width, rootEpsilon);
    }

    /// <summary>The differences of elements to one element of the row, as <see cref="Centre"/> takes their
    /// sum.</summary>
    public static Float4 ForSum(Float4 value, float pivot) => value.TimesLess(SumUnit, pivot * SumUnit);

    /// <summary>Computes unit and mean of a row.</summary>
    /// <param name="magnitude">The largest magnitude of an element.</param>
    /// <param name="sum">The sum of <see cref="ForSum"/>.</param>
    /// <param name="pivot">The element that the differences refer to.</param>
    /// <param name="width">Elements in the row.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static RowStatistics Centre(float magnitude, float sum, float pivot, int width, float rootEpsilon)
    {
        // If a row is far below √ε, √ε decides its unit, so that ε does not overflow in it.
        float unit = InverseUnitOf(IntrinsicMath.Max(magnitude, rootEpsilon));
        return new RowStatistics(unit, PtxMath.Fma(sum / width * unit, 1 / SumUnit, pivot * unit), 0, 0);
    }

    /// <summary>The power of two that brings a number to between 1 and 2; to less than 1 if it is subnormal, and to
    /// less than 4 if it is 2¹²⁷ or more.</summary>
    public static float InverseUnitOf(float magnitude)
    {
        int exponent = (int)(Interop.FloatAsInt(magnitude) >> 23);
        return Interop.IntAsFloat((uint)IntrinsicMath.Max(254 - exponent, 1) << 23);
    }

    /// <summary>The differences of elements to <see cref="Mean"/>.</summary>
    public Float4 Difference(Float4 value) => value.TimesLess(Unit, Mean);

    /// <summary>Computes shift and scale from the differences to the mean.</summary>
    /// <param name="shifts">The sum of the differences.</param>
    /// <param name="squares">The sum of their squares.</param>
    /// <param name="width">Elements in the row.</param>
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

    /// <summary>Normalises elements.</summary>
    public Float4 Apply(Float4 value, Float4 weight, Float4 bias)
    {
        Float4 normal = Difference(value).Less(Shift).Times(Scale);
        return bias.PlusProduct(normal, weight);
    }
}
