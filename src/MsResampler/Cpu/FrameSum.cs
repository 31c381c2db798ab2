namespace MsResampler.Cpu;

/// <summary>The softmax of a query and head over one frame of a group: the sum of 2^logit over the patches that the
/// query sees is <see cref="Total"/>·2^<see cref="Maximum"/>.</summary>
internal struct FrameSum
{
    /// <summary>The largest logit, in base 2.</summary>
    public float Maximum;

    /// <summary>The sum relative to the maximum, at least 1; NaN if a logit is not finite. The merge replaces it by the
    /// share of the frame.</summary>
    public float Total;
}
