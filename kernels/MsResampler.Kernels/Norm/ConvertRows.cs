using ILGPU;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Rows of features in 16 bits, each multiplied by a power of two that brings its largest element to between 1
/// and 2, and filled up to whole groups of eight. One warp a row.</summary>
/// <remarks>
/// <para>The normalisation that follows cancels the factor, given an ε that is scaled likewise. So features of any size keep
/// the type's precision, and the products of the input projection are in its range.</para>
/// <para>Grid: x = groups of as many rows as a block has warps. No shared memory. Rows may begin anywhere, so each
/// lane reads single elements, lane l the columns l and l+32 of 64; a row is read twice and stays in the first-level cache
/// after the first. Even and odd lanes then exchange one of the two, so that each has two neighbours to store: lane l
/// those that begin at 2·(l/2) + 32·(l mod 2).</para>
/// </remarks>
/// <typeparam name="TSource">The type of what is read.</typeparam>
/// <typeparam name="TStored">As what that is stored.</typeparam>
/// <typeparam name="TElement">The type of the result.</typeparam>
internal static class ConvertRows<TSource, TStored, TElement>
    where TSource : struct, IRowSource<TStored>
    where TStored : unmanaged
    where TElement : struct, IBits16Element
{
    /// <summary>Times 64 columns that a warp reads before it stores, so that it waits for memory once.</summary>
    private const int StepCount = 4;

    /// <param name="source">[rows, width].</param>
    /// <param name="destination">Receives rows, two elements to a number, filled up with zeros to a multiple of eight
    /// elements.</param>
    /// <param name="units">Receives what each row was multiplied by.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="sourceStride">Elements from one row of the source to the next.</param>
    /// <param name="stride">Groups of eight from one row of the destination to the next.</param>
    /// <param name="maxUnit">The largest factor, a power of two.</param>
    public static void Run(ArrayView<TStored> source, ArrayView<uint> destination, ArrayView<float> units, int rowCount,
        int width, int sourceStride, int stride, float maxUnit)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= rowCount)
            return;
        int lane = Warp.LaneIdx;
        bool isOdd = lane % 2 != 0;
        int pairCount = (width + 7) / 8 * 4;
        float magnitude = 0;
        for (int start = 0; start < width; start += 64 * StepCount)
        {
            var values = new float[2 * StepCount];
            Load(values, source, row * sourceStride, start + lane, width);
            for (int index = 0; index < 2 * StepCount; index++)
                magnitude = IntrinsicMath.Max(magnitude, IntrinsicMath.Abs(values[index]));
        }

        float unit = IntrinsicMath.Min(RowStatistics.InverseUnitOf(RowStatistics.Max(magnitude)), maxUnit);
        if (lane == 0)
            units[row] = unit;
        for (int start = 0; start < width; start += 64 * StepCount)
        {
            var values = new float[2 * StepCount];
            Load(values, source, row * sourceStride, start + lane, width);
            for (int step = 0; step < StepCount; step++)
            {
                float first = values[2 * step] * unit;
                float second = values[(2 * step) + 1] * unit;
                float other = Warp.ShuffleXor(isOdd ? first : second, 1);
                int pair = (start / 2) + (32 * step) + (lane / 2) + (isOdd ? 16 : 0);
                if (pair < pairCount)
                {
                    destination[(row * 4 * stride) + pair]
                        = TElement.Pack(isOdd ? other : first, isOdd ? second : other);
                }
            }
        }
    }

    /// <summary>Loads this lane's elements of some columns; zeros behind the last.</summary>
    private static void Load(float[] values, ArrayView<TStored> source, int rowStart, int firstColumn, int width)
    {
        for (int index = 0; index < 2 * StepCount; index++)
        {
            int column = firstColumn + (32 * index);
            values[index] = 0;
            if (column < width)
                values[index] = TSource.ToSingle(source[rowStart + column]);
        }
    }
}
