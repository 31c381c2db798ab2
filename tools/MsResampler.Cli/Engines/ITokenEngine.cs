namespace MsResampler.Cli.Engines;

/// <summary>Computes tokens, with a backend of the library or with the reference.</summary>
internal interface ITokenEngine : IDisposable
{
    ResamplerConfig Config { get; }

    IReadOnlyList<string> Warnings { get; }

    /// <summary>Description of the backend.</summary>
    string Description { get; }

    /// <summary>The largest allowed relative L2 error compared with the reference.</summary>
    double ErrorBound { get; }

    /// <inheritdoc cref="Resampler.Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>
    void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken);

    /// <summary>Returns the attention of the tokens of one image or group, and the weights of the gate.</summary>
    TokenView Explain(ReadOnlySpan<float> features, FrameGroups group);
}
