using ILGPU;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Converts rows of features to 16 bits. Each row is multiplied by a power of two that brings its largest
/// element to between 1 and 2, and is padded to whole vectors of eight elements. One warp per row.</summary>
/// <remarks>
/// <para>The normalisation that follows cancels the factor if ε is scaled accordingly. Features of any magnitude
/// therefore keep the precision of the type, and the products of the input projection stay in its range.</para>
/// <para>Rows may begin at any element, so each lane reads single elements: lane l reads columns l and l+32 of 64. A
/// row is read twice and stays in the first-level cache after the first time. Even and odd lanes then exchange one
/// of their two elements, so that each lane stores two neighbours: lane l those that begin at column 2·(l/2) + 32·(l
/// mod 2).</para>
/// <para>Grid: x = rows / warps of a block. Block: one or more warps. No shared memory.</para>
/// </remarks>
/// <typeparam name="TSource">The type of the features.</typeparam>
/// <typeparam name="TStored">The storage type of the features.</typeparam>
/// <typeparam name="TElement">The type of the result.</typeparam>
internal static class ConvertRows<TSource, TStored, TElement>
    where TSource : struct, IRowSource<TStored>
    where TStored : unmanaged
    where TElement : struct, IBits16Element
{
    /// <summary>Runs of 64 columns that a warp reads before it stores, so that it waits for memory once.</summary>
    private const int StepCount = 4;

    /// <summary>Converts rows.</summary>
    /// <param name="source">[rows, width].</param>
    /// <param name="destination">Receives the rows, two elements in each integer, padded with zeros to a multiple of
    /// eight elements.</param>
    /// <param name="units">Receives the factor of each row.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements in a row.</param>
    /// <param name="sourceStride">Elements from one row of the source to the next.</param>
    /// <param name="stride">Vectors of eight elements from one row of the destination to the next.</param>
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

    /// <summary>Loads this lane's elements of some columns; zeros beyond the last column.</summary>
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
