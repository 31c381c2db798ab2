using MsResampler.Model;

namespace MsResampler.Cli.Engines;

/// <summary>What computes tokens: a backend of the library or the reference.</summary>
internal interface ITokenEngine : IDisposable
{
    ResamplerConfig Config { get; }

    IReadOnlyList<string> Warnings { get; }

    /// <summary>Description of the backend.</summary>
    string Description { get; }

    /// <summary>The relative L2 error allowed against the reference.</summary>
    double ErrorBound { get; }

    /// <inheritdoc cref="Resampler.Resample"/>
    void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken);

    /// <summary>Says where one image's tokens look and which scopes they take.</summary>
    TokenView Explain(ReadOnlySpan<float> features, PatchGrid grid);
}
