using MsResampler.Planning;

namespace MsResampler;

/// <summary>A model made ready to compute on one device. <see cref="Resampler"/> has checked lengths and grids before
/// it calls; every member may be called from many threads at once.</summary>
internal abstract class ModelEngine : IDisposable
{
    /// <summary>Description of the backend.</summary>
    public abstract string Description { get; }

    /// <summary>Numeric precision; never <see cref="Precision.Auto"/>.</summary>
    public abstract Precision Precision { get; }

    /// <summary>What makes it slower than it need be, one sentence each; may grow while it runs.</summary>
    public virtual IReadOnlyList<string> Warnings => [];

    /// <summary>The most processor threads one call uses.</summary>
    public abstract int ThreadCount { get; }

    /// <summary>What is computed for images of a grid.</summary>
    public abstract ExecutionPlan Plan(PatchGrid grid);

    /// <inheritdoc cref="Resampler.Resample"/>
    public abstract void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken);

    /// <inheritdoc cref="Resampler.Explain"/>
    public abstract Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid);

    /// <summary>Ends threads and frees memory; calls under way finish first.</summary>
    public abstract void Dispose();
}
