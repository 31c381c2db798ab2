using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Layer normalisation of rows of 16-bit elements, <c>(x − mean)/√(variance + ε)·weight + bias</c>, in float32
/// between reading and storing. One warp a row.</summary>
/// <remarks>Grid: x = groups of as many rows as a block has warps. No shared memory. Lane l holds the groups of four l,
/// l+32, ... of a row, which is read three times and stays in the first-level cache after the first. Sums are in an
/// order that depends on the width alone.</remarks>
/// <typeparam name="TElement">The type of what is read and stored.</typeparam>
internal static class LayerNormBits16<TElement>
    where TElement : struct, IBits16Element
{
    /// <param name="source">[rows, width]; what fills up a row's last group of eight is ignored.</param>
    /// <param name="weight">[width], filled up to a whole group of eight.</param>
    /// <param name="bias">[width], likewise.</param>
    /// <param name="destination">Receives normalised rows, filled up to a whole group of eight with zeros; may be the
    /// source.</param>
    /// <param name="units">What multiplied each row; empty where nothing did.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="sourceStride">Groups of eight from one row of the source to the next.</param>
    /// <param name="stride">The same of the destination.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static void Run(ArrayView<UInt2> source, ArrayView<Float4> weight, ArrayView<Float4> bias,
        ArrayView<UInt2> destination, ArrayView<float> units, int rowCount, int width, int sourceStride, int stride,
        float rootEpsilon)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= rowCount)
            return;
        int start = 2 * row * sourceStride;
        int vectorCount = Bits16Quad<TElement>.CountOf(width);
        if (units.Length > 0)
            rootEpsilon *= units[row];
        float pivot = TElement.Low(source[start].X);
        float magnitude = 0;
        Float4 sum = default;
        for (int vector = Warp.LaneIdx; vector < vectorCount; vector += Warp.WarpSize)
        {
            Float4 value = Bits16Quad<TElement>.Unpack(source[start + vector]).Within(width - (4 * vector));
            magnitude = IntrinsicMath.Max(magnitude, value.Magnitude());
            sum = sum.Plus(RowStatistics.ForSum(value, pivot).Within(width - (4 * vector)));
        }

        RowStatistics statistics = RowStatistics.Centre(RowStatistics.Max(magnitude), RowStatistics.Sum(sum.Sum()), pivot,
            width, rootEpsilon);
        Float4 shifts = default;
        Float4 squares = default;
        for (int vector = Warp.LaneIdx; vector < vectorCount; vector += Warp.WarpSize)
        {
            Float4 difference = statistics.Difference(Bits16Quad<TElement>.Unpack(source[start + vector]))
                .Within(width - (4 * vector));
            shifts = shifts.Plus(difference);
            squares = squares.PlusProduct(difference, difference);
        }

        statistics = statistics.WithVariance(RowStatistics.Sum(shifts.Sum()), RowStatistics.Sum(squares.Sum()), width,
            rootEpsilon);
        for (int vector = Warp.LaneIdx; vector < vectorCount; vector += Warp.WarpSize)
        {
            Float4 normal = statistics.Apply(Bits16Quad<TElement>.Unpack(source[start + vector]), weight[vector],
                bias[vector]).Within(width - (4 * vector));
            destination[(2 * row * stride) + vector] = Bits16Quad<TElement>.Pack(normal);
        }
    }
}
