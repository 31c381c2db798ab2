using MsResampler.Reference;

namespace MsResampler.Cli.Engines;

/// <summary>The double-precision reference. It computes one image at a time.</summary>
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

    public void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken)
    {
        int tokenCount = Config.QueryGrid.QueryCount * Config.OutputSize;
        for (int image = 0; image < grids.Length; image++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int featureCount = checked((int)(grids[image].PatchCount * Config.VisionHiddenSize));
            double[] exact = _reference.Resample(features[..featureCount], grids[image]);
            for (int index = 0; index < exact.Length; index++)
            {
                float token = (float)exact[index];
                if (!float.IsFinite(token))
                    ActivationOverflowException.Throw(new FrameGroups(grids), image, Precision.Float32);
                tokens[(image * tokenCount) + index] = token;
            }

            features = features[featureCount..];
        }
    }

    public TokenView Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        ReferenceExplanation explanation = _reference.Explain(features, grid);
        double[] gate = explanation.Gate;
        return TokenView.Average(Config, grid, AddAttention, index => gate[index]);

        void AddAttention(int scope, int head, float[] sum)
        {
            double[] attention = explanation.Attention(scope, head);
            for (int index = 0; index < sum.Length; index++)
                sum[index] += (float)attention[index];
        }
    }

    public void Dispose()
    {
    }
}
