using MsResampler.Training;

namespace MsResampler.Cli.Commands;

/// <summary>The arguments of <c>train</c>.</summary>
internal sealed record TrainRequest
{
    public required string Model { get; init; }

    /// <summary>The layout of the model; null to recognise it.</summary>
    public CheckpointLayout? Layout { get; init; }

    /// <summary>The files with features, or the pictures.</summary>
    public required IReadOnlyList<string> InputFiles { get; init; }

    /// <summary>The option with the files.</summary>
    public required string InputOption { get; init; }

    /// <summary>The options that say how the files are read, as they were given, each after a space.</summary>
    public required string LayoutOptions { get; init; }

    /// <summary>Opens the images. Called after all cheaper checks.</summary>
    public required Func<IFeatureSource> OpenSource { get; init; }

    /// <summary>The temporal ids of the frames of each group; null if every image is an input of its own.</summary>
    public int[][]? TemporalIds { get; init; }

    /// <summary>The file with the tokens of the teacher.</summary>
    public required string Teacher { get; init; }

    public required string Output { get; init; }

    public required TrainingOptions Options { get; init; }

    public required TrainedParts Trained { get; init; }

    public required bool LearnSigma { get; init; }

    /// <summary>The number of steps from one checkpoint to the next.</summary>
    public required int CheckpointEvery { get; init; }

    public required bool Resume { get; init; }

    public int? ThreadCount { get; init; }
}
