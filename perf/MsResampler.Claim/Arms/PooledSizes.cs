using MsResampler.Model;

namespace MsResampler.Claim.Arms;

/// <summary>The sizes of a <see cref="PooledModel"/>.</summary>
/// <param name="FeatureSize">Values of a patch.</param>
/// <param name="Width">The width of the layer before the mean, a multiple of 4.</param>
/// <param name="HiddenWidth">The width of the layer after the mean.</param>
/// <param name="TokenSize">Values of a token.</param>
internal readonly record struct PooledSizes(int FeatureSize, int Width, int HiddenWidth, int TokenSize)
{
    /// <summary>The number of parameters.</summary>
    public long ParameterCount
        => ((FeatureSize + 1L) * Width) + ((Width + 1L) * HiddenWidth) + ((HiddenWidth + 1L) * TokenSize);

    /// <summary>Multiply-adds for one scene.</summary>
    public long Work(QueryGrid queries, PatchGrid grid)
        => (grid.PatchCount * (FeatureSize + 1) * Width)
            + (queries.QueryCount * (((long)Width * HiddenWidth) + ((long)HiddenWidth * TokenSize)));
}
