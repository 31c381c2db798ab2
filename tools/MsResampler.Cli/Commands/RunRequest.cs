using MsResampler.Cli.Engines;
using MsResampler.Cli.Input;

namespace MsResampler.Cli.Commands;

/// <summary>What <c>run</c> is asked to do.</summary>
internal sealed record RunRequest
{
    public required string Model { get; init; }

    /// <summary>Opens the images; called once everything that is cheaper to check has been checked.</summary>
    public required Func<IFeatureSource> OpenSource { get; init; }

    public required string Output { get; init; }

    /// <summary>The files that images come from, which may not be replaced.</summary>
    public required IReadOnlyList<string> InputFiles { get; init; }

    public BackendChoice Backend { get; init; } = BackendChoice.Auto;

    public Precision Precision { get; init; }

    public int? ThreadCount { get; init; }

    /// <summary>The folder for maps, or null for none.</summary>
    public string? MapFolder { get; init; }
}
