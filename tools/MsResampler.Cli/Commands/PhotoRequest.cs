using MsResampler.Cli.Photos;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Commands;

/// <summary>The arguments of <c>run --images</c>.</summary>
internal sealed record PhotoRequest
{
    public required string Model { get; init; }

    /// <summary>The layout of the model; null to recognise it.</summary>
    public CheckpointLayout? Layout { get; init; }

    public required EncoderChoice Encoder { get; init; }

    public required PhotoSource Photos { get; init; }

    /// <summary>A file if its extension is one of those of files of tokens, and else a folder.</summary>
    public required string Output { get; init; }

    /// <summary>The type of the tokens: F32, F16 or BF16.</summary>
    public required TensorType OutputType { get; init; }

    public EngineChoice Engine { get; init; } = new();

    /// <summary>The number of photos that are encoded together.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Whether a bad photo is an error.</summary>
    public bool IsStrict { get; init; }

    /// <summary>The part of the photos.</summary>
    public WorkShare Share { get; init; } = WorkShare.All;

    /// <summary>The largest number of bytes of tokens in a shard.</summary>
    public long ShardBytes { get; init; }

    /// <summary>Whether bad photos of an earlier run are tried again.</summary>
    public bool RetryErrors { get; init; }
}
