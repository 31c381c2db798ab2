using MsResampler.Reference;

namespace MsResampler.Cli.Engines;

/// <summary>The double-precision reference. It computes one image or group at a time.</summary>
internal sealed class ReferenceEngine : ITokenEngine
{
    private readonly ReferenceResampler _reference;

    public ReferenceEngine(ResamplerModel model)
    {
        _reference = ReferenceResampler.Load(model);
        Warnings = model.Warnings;
    }

    public ResamplerConfig Config => _reference.Config;

    public IReadOnlyList<string> Warnings { get; }

    public string Description => "reference, double precision";

    public double ErrorBound => 0;

    public void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken)
    {
        int tokenCount = Config.QueryGrid.QueryCount * Config.OutputSize;
        for (int group = 0; group < groups.GroupCount; group++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            FrameGroups own = groups.Slice(group, 1);
            int featureCount = checked((int)(own.PatchCount * Config.VisionHiddenSize));
            double[] exact = _reference.Resample(features[..featureCount], own.Grids, TemporalIdsOf(own));
            for (int index = 0; index < exact.Length; index++)
            {
                float token = (float)exact[index];
                if (!float.IsFinite(token))
                    ActivationOverflowException.Throw(groups, group, Precision.Float32);
                tokens[(group * tokenCount) + index] = token;
            }

            features = features[featureCount..];
        }
    }

    public TokenView Explain(ReadOnlySpan<float> features, FrameGroups group)
    {
        ReferenceExplanation explanation = _reference.Explain(features, group.Grids, TemporalIdsOf(group));
        double[] gate = explanation.Gate;
        return TokenView.Average(Config, explanation.Grids, AddAttention, index => gate[index]);

        void AddAttention(int scope, int head, int frame, float[] sum)
        {
            double[] attention = explanation.Attention(scope, head, frame);
            for (int index = 0; index < sum.Length; index++)
                sum[index] += (float)attention[index];
        }
    }

    public void Dispose()
    {
    }

    private static int[] TemporalIdsOf(FrameGroups group)
        => group.AreImages ? [-1] : group.TemporalIds.ToArray();
}
