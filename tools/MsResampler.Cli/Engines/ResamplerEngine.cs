using System.Numerics.Tensors;
using MsResampler.Planning;

namespace MsResampler.Cli.Engines;

/// <summary>A backend of the library.</summary>
/// <param name="resampler">The loaded model.</param>
/// <param name="errorBound">The largest relative error of its tokens.</param>
/// <param name="int8Layers">The layers with 8 bits; null without integer products.</param>
internal sealed class ResamplerEngine(Resampler resampler, double errorBound, ModelLayers? int8Layers = null)
    : ITokenEngine
{
    /// <summary>The model in the library.</summary>
    public Resampler Resampler => resampler;

    public ResamplerConfig Config => resampler.Config;

    public IReadOnlyList<string> Warnings => resampler.Warnings;

    /// <summary>The precision that computes; never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision => resampler.Precision;

    /// <summary>The layers with 8 bits; null without integer products.</summary>
    public ModelLayers? Int8Layers => int8Layers;

    /// <summary>Memory of the weights in bytes; null if unknown.</summary>
    public long? WeightBytes => resampler.WeightBytes;

    public string Description => resampler.Description;

    public double ErrorBound => errorBound;

    public void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken)
        => resampler.Resample(features, groups, tokens, cancellationToken);

    public TokenView Explain(ReadOnlySpan<float> features, FrameGroups group)
    {
        Explanation explanation = group.AreImages ? resampler.Explain(features, group.Grids[0])
            : resampler.Explain(features, group.Grids, group.TemporalIds);
        float[] gate = explanation.Gate.ToArray();
        return TokenView.Average(Config, explanation.Grids,
            (scope, head, frame, sum) => TensorPrimitives.Add(sum, explanation.Attention(scope, head, frame), sum),
            index => gate[index]);
    }

    /// <summary>The execution plan for images of a grid.</summary>
    public ExecutionPlan Plan(PatchGrid grid) => resampler.Plan(grid);

    public void Dispose() => resampler.Dispose();
}
