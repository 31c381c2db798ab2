using ILGPU;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Rows of float32, rounded to 16 bits and filled up to whole groups of eight. One warp a row.</summary>
/// <remarks>Grid: x = groups of as many rows as a block has warps. No shared memory. Rows may begin anywhere, so each
/// lane reads single elements, lane l the columns l and l+32 of 64. Even and odd lanes then exchange one of the two, so
/// that each has two neighbours to store: lane l those that begin at 2·(l/2) + 32·(l mod 2).</remarks>
/// <typeparam name="TElement">The type of what is stored.</typeparam>
internal static class ConvertRows<TElement>
    where TElement : struct, IHalfElement
{
    /// <summary>Times 64 columns that a warp reads before it stores, so that it waits for memory once.</summary>
    private const int StepCount = 4;

    /// <param name="source">[rows, width].</param>
    /// <param name="destination">Receives rounded rows, two elements to a number, filled up with zeros to a multiple of
    /// eight elements.</param>
    /// <param name="outside">Its first element becomes 1 where an element is outside the range of the type, or no
    /// number; else it keeps its value.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="sourceStride">Elements from one row of the source to the next.</param>
    /// <param name="stride">Groups of eight from one row of the destination to the next.</param>
    public static void Run(ArrayView<float> source, ArrayView<uint> destination, ArrayView<int> outside, int rowCount,
        int width, int sourceStride, int stride)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= rowCount)
            return;
        int lane = Warp.LaneIdx;
        bool isOdd = lane % 2 != 0;
        int pairCount = (width + 7) / 8 * 4;
        bool isOutside = false;
        for (int start = 0; start < width; start += 64 * StepCount)
        {
            var values = new float[2 * StepCount];
            for (int index = 0; index < 2 * StepCount; index++)
            {
                int column = start + (32 * index) + lane;
                values[index] = 0;
                if (column < width)
                    values[index] = source[(row * sourceStride) + column];
            }

            for (int step = 0; step < StepCount; step++)
            {
                float first = values[2 * step];
                float second = values[(2 * step) + 1];
                isOutside |= TElement.IsOutside(first) | TElement.IsOutside(second);
                float other = Warp.ShuffleXor(isOdd ? first : second, 1);
                int pair = (start / 2) + (32 * step) + (lane / 2) + (isOdd ? 16 : 0);
                if (pair < pairCount)
                {
                    destination[(row * 4 * stride) + pair]
                        = TElement.Pack(isOdd ? other : first, isOdd ? second : other);
                }
            }
        }

        // Whoever comes last writes the same.
        if (isOutside)
            outside[0] = 1;
    }
}
