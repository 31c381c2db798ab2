using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Perf.Ceilings;

/// <summary>Copies memory, 16 bytes at a time. Its speed is the limit of the device's memory bandwidth.</summary>
/// <remarks>A grid-stride loop. Each thread starts <see cref="LoadCount"/> loads before its first store, so that their
/// latencies overlap. Grid: x = blocks, enough to fill the device. No shared memory.</remarks>
internal static class CopyCeiling
{
    /// <summary>Loads of a thread that are in flight together.</summary>
    public const int LoadCount = 4;

    /// <summary>Threads of a block.</summary>
    public const int BlockSize = 256;

    /// <param name="source">The memory to copy.</param>
    /// <param name="destination">Receives the copy.</param>
    /// <param name="count">Vectors of 16 bytes to copy.</param>
    public static void Run(ArrayView<Float4> source, ArrayView<Float4> destination, int count)
    {
        int stride = Grid.DimX * Group.DimX;
        int index = (Grid.IdxX * Group.DimX) + Group.IdxX;
        var values = new Float4[LoadCount];
        for (; index < count - ((LoadCount - 1) * stride); index += LoadCount * stride)
        {
            for (int load = 0; load < LoadCount; load++)
                values[load] = source[index + (load * stride)];
            for (int store = 0; store < LoadCount; store++)
                destination[index + (store * stride)] = values[store];
        }

        for (; index < count; index += stride)
            destination[index] = source[index];
    }
}
