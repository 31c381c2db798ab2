using ILGPU;

namespace MsResampler.Perf.Ceilings;

/// <summary>A kernel without work: the time of its launch is the cost of any launch.</summary>
internal static class EmptyKernel
{
    /// <param name="cleared">May be empty, because <paramref name="count"/> is 0.</param>
    /// <param name="count">Always 0. The kernel has arguments because a launch without them costs less.</param>
    public static void Run(ArrayView<int> cleared, int count)
    {
        if (Group.IdxX < count)
            cleared[Group.IdxX] = 0;
    }
}
