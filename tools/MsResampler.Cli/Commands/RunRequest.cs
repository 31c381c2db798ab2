using MsResampler.Safetensors;

namespace MsResampler.Cli.Commands;

/// <summary>The arguments of <c>run</c>.</summary>
internal sealed record RunRequest
{
    public required string Model { get; init; }

    /// <summary>The layout of the model; null to recognise it.</summary>
    public CheckpointLayout? Layout { get; init; }

    /// <summary>Opens the images. Called after all cheaper checks.</summary>
    public required Func<IFeatureSource> OpenSource { get; init; }

    /// <summary>The temporal ids of the frames of each group; null if every image is an input of its own.</summary>
    public int[][]? TemporalIds { get; init; }

    public required string Output { get; init; }

    /// <summary>The type of the tokens in the file: F32, F16 or BF16.</summary>
    public TensorType OutputType { get; init; } = TensorType.F32;

    /// <summary>The files of the images; the command must not replace them.</summary>
    public required IReadOnlyList<string> InputFiles { get; init; }

    public EngineChoice Engine { get; init; } = new();

    /// <summary>The folder for maps, or null if no maps are drawn.</summary>
    public string? MapFolder { get; init; }
}
