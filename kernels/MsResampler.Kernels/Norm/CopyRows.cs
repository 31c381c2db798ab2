using ILGPU;

namespace MsResampler.Kernels.Norm;

/// <summary>Copies rows to memory in which they begin at other distances. One warp per row.</summary>
/// <remarks>Lane l copies units l, l+32, ... of a row. Grid: x = rows / warps of a block. Block: one or more warps. No
/// shared memory.</remarks>
/// <typeparam name="TUnit">What a lane copies at once. Rows begin at multiples of its size and have whole
/// units.</typeparam>
internal static class CopyRows<TUnit>
    where TUnit : unmanaged
{
    /// <summary>Units that a lane reads before it stores, so that it waits for memory once.</summary>
    private const int StepCount = 4;

    /// <summary>Copies rows.</summary>
    /// <param name="source">[rows, width].</param>
    /// <param name="destination">Receives the rows; what lies between them is left as it is.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Units in a row.</param>
    /// <param name="sourceStride">Units from one row of the source to the next.</param>
    /// <param name="stride">Units from one row of the destination to the next.</param>
    public static void Run(ArrayView<TUnit> source, ArrayView<TUnit> destination, int rowCount, int width,
        int sourceStride, int stride)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= rowCount)
            return;
        for (int start = Warp.LaneIdx; start < width; start += StepCount * Warp.WarpSize)
        {
            var units = new TUnit[StepCount];
            for (int step = 0; step < StepCount; step++)
            {
                int column = start + (step * Warp.WarpSize);
                if (column < width)
                    units[step] = source[((long)row * sourceStride) + column];
            }

            for (int step = 0; step < StepCount; step++)
            {
                int column = start + (step * Warp.WarpSize);
                if (column < width)
                    destination[((long)row * stride) + column] = units[step];
            }
        }
    }
}
