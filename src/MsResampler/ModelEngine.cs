using MsResampler.Planning;

namespace MsResampler;

/// <summary>A model prepared to run on one device. <see cref="Resampler"/> checks lengths and grids before it calls
/// an engine. All members are thread-safe.</summary>
internal abstract class ModelEngine : IDisposable
{
    /// <summary>Description of the backend.</summary>
    public abstract string Description { get; }

    /// <summary>The name of the backend in measurements, such as "cpu".</summary>
    public abstract string BackendName { get; }

    /// <summary>Numeric precision; never <see cref="Precision.Auto"/>.</summary>
    public abstract Precision Precision { get; }

    /// <summary>Memory of the weights in bytes; null if unknown.</summary>
    public virtual long? WeightBytes => null;

    /// <summary>One sentence per reason why the engine is slower than necessary. The list may grow.</summary>
    public virtual IReadOnlyList<string> Warnings => [];

    /// <summary>The largest number of processor threads that a call uses.</summary>
    public abstract int ThreadCount { get; }

    /// <summary>The number of calls with the same grids after which such calls are at full speed.</summary>
    public virtual int WarmUpCallCount => 1;

    /// <summary>Compiles and loads everything that calls may need and that does not depend on grids.</summary>
    public virtual void LoadKernels(CancellationToken cancellationToken)
    {
    }

    /// <summary>The plan for images of a patch grid.</summary>
    public abstract ExecutionPlan Plan(PatchGrid grid);

    /// <summary>Computes tokens and, unless <paramref name="gate"/> is empty, gate weights.</summary>
    /// <inheritdoc cref="Resampler.Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, Span{float},
    /// CancellationToken)"/>
    public abstract void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        Span<float> gate, CancellationToken cancellationToken);

    /// <summary>Computes the attention weights and gate weights of one group.</summary>
    /// <param name="features">The features of its frames, one after another.</param>
    /// <param name="group">The group.</param>
    /// <param name="cancellationToken">Checked many times.</param>
    public abstract Explanation Explain(ReadOnlySpan<float> features, FrameGroups group,
        CancellationToken cancellationToken = default);

    /// <summary>Computes the tokens of groups.</summary>
    public void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken)
        => Resample(features, groups, tokens, gate: [], cancellationToken);

    /// <summary>Computes the tokens of images.</summary>
    public void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken)
        => Resample(features, new FrameGroups(grids), tokens, cancellationToken);

    /// <summary>Computes the attention weights and gate weights of one image.</summary>
    public Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid,
        CancellationToken cancellationToken = default)
        => Explain(features, new FrameGroups([grid]), cancellationToken);

    /// <summary>Ends threads and frees memory, after calls in progress have finished.</summary>
    public abstract void Dispose();
}
