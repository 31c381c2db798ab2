using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Attention;

/// <summary>What the log-sum of a frame lacks, for one query, scope and head: the terms that are the same for all
/// keys of the frame and so have no effect on its own softmax. In base 2.</summary>
/// <remarks>The offset of a narrow Gaussian can be large beside the log-sums. The sum of two floats keeps the
/// difference between two frames.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct FrameOffset
{
    /// <summary>The offset, rounded.</summary>
    public float High;

    /// <summary>What the rounding removed.</summary>
    public float Low;

    /// <summary>Below −2¹⁰⁰ only the order of offsets matters.</summary>
    private const double Limit = 1.2676506002282294e30;

    /// <summary>Rounds an offset. Those below −2¹⁰⁰, which float32 might not hold, are brought nearer to it and keep
    /// their order.</summary>
    public static FrameOffset Of(double offset)
    {
        if (offset < -Limit)
            offset = -Limit * (1 + Math.Log2(Math.Max(offset, double.MinValue) / -Limit));
        float high = (float)offset;
        return new FrameOffset { High = high, Low = (float)(offset - high) };
    }
}
