using ILGPU;

namespace MsResampler.Perf.Ceilings;

/// <summary>Does nothing: what remains of a launch is its cost.</summary>
internal static class EmptyKernel
{
    /// <param name="cleared">Nothing of it is touched, so that it may be empty.</param>
    /// <param name="count">0. It is here because a launch without arguments would cost less than any other.</param>
    public static void Run(ArrayView<int> cleared, int count)
    {
        if (Group.IdxX < count)
            cleared[Group.IdxX] = 0;
    }
}
