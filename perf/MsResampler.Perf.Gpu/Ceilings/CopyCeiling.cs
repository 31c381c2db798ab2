using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Perf.Ceilings;

/// <summary>Copies memory, 16 bytes at a time: what a device's memory moves at most.</summary>
/// <remarks>Threads of the whole grid stride over the memory together, each with <see cref="LoadCount"/> loads under
/// way before it stores. Grid: x = blocks, enough to fill the device. No shared memory.</remarks>
internal static class CopyCeiling
{
    /// <summary>Loads of a thread before its first store.</summary>
    public const int LoadCount = 4;

    /// <summary>Threads of a block.</summary>
    public const int GroupSize = 256;

    /// <param name="source">What is copied.</param>
    /// <param name="destination">Receives the copy.</param>
    /// <param name="count">Groups of 16 bytes to copy.</param>
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
