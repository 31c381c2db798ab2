using System.Numerics.Tensors;
using MsResampler.Planning;

namespace MsResampler.Cli.Engines;

/// <summary>A backend of the library.</summary>
internal sealed class ResamplerEngine(Resampler resampler, double errorBound) : ITokenEngine
{
    public ResamplerConfig Config => resampler.Config;

    public IReadOnlyList<string> Warnings => resampler.Warnings;

    public string Description => resampler.Description;

    public double ErrorBound => errorBound;

    public void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken)
        => resampler.Resample(features, grids, tokens, cancellationToken);

    public TokenView Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        Explanation explanation = resampler.Explain(features, grid);
        float[] gate = explanation.Gate.ToArray();
        return TokenView.Average(Config, grid,
            (scope, head, sum) => TensorPrimitives.Add(sum, explanation.Attention(scope, head), sum),
            index => gate[index]);
    }

    /// <summary>The execution plan for images of a grid.</summary>
    public ExecutionPlan Plan(PatchGrid grid) => resampler.Plan(grid);

    public void Dispose() => resampler.Dispose();
}
