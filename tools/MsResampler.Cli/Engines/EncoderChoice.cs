using MsResampler.Vision;

namespace MsResampler.Cli.Engines;

/// <summary>What the options of <c>run</c> say about the vision encoder.</summary>
/// <param name="Path">The ONNX file.</param>
internal sealed record EncoderChoice(string Path)
{
    /// <summary>The name of a preset, or a path; null for the file beside the encoder.</summary>
    public string? Preprocess { get; init; }

    /// <summary>How pictures are decoded.</summary>
    public ImageDecoding Decoding { get; init; } = new();

    /// <summary>The output with the features; null to find it.</summary>
    public string? OutputName { get; init; }

    /// <summary>The number of rows before the patches; null to find it.</summary>
    public int? PrefixTokenCount { get; init; }

    private static readonly string[] s_modelExtensions = [".safetensors", ".gguf"];

    /// <summary>The error for an encoder whose features do not fit a model.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="config">The configuration of the model.</param>
    /// <param name="model">The path of the model.</param>
    public static InputException WrongChannels(VisionEncoder encoder, ResamplerConfig config, string model)
        => new($"{encoder.Name}: the encoder has {encoder.ChannelCount} channels in its output " +
            $"'{encoder.OutputName}', but {model} expects vision_hidden_size = {config.VisionHiddenSize}");

    /// <summary>A message of the library with the names that the options have in the command.</summary>
    public static string WithOptionNames(string message) => message
        .Replace("name OutputName", "name one with --encoder-output", StringComparison.Ordinal)
        .Replace("name PrefixTokenCount", "name their number with --prefix-tokens", StringComparison.Ordinal);

    /// <summary>Loads the encoder.</summary>
    /// <param name="threadCount">The number of threads; null for one per processor core.</param>
    /// <param name="terminal">Shows the progress.</param>
    /// <exception cref="InputException">The encoder or its preprocessing does not exist, or the encoder is a
    /// resampler.</exception>
    /// <exception cref="InvalidEncoderException">The file is not a usable encoder.</exception>
    public VisionEncoder Load(int? threadCount, Terminal terminal)
    {
        if (Directory.Exists(Path))
            throw new InputException($"{Path}: this is a folder; --encoder expects the .onnx file in it");
        if (!File.Exists(Path))
            throw new InputException($"{Path}: there is no such file; --encoder expects a vision encoder in ONNX");
        if (s_modelExtensions.Contains(System.IO.Path.GetExtension(Path), StringComparer.OrdinalIgnoreCase))
            throw new InputException($"{Path}: --encoder expects a vision encoder in ONNX; a resampler is given with " +
                "--model");
        ImagePreprocessing preprocessing = ReadPreprocessing() with { Decoding = Decoding };
        terminal.Say($"loading {Path}");
        return VisionEncoder.Load(Path, new VisionEncoderOptions
        {
            Preprocessing = preprocessing,
            OutputName = OutputName,
            PrefixTokenCount = PrefixTokenCount,
            ThreadCount = threadCount ?? 0,
        });
    }

    private ImagePreprocessing ReadPreprocessing()
    {
        if (Preprocess is null)
        {
            return PreprocessorConfig.FindFolder(Path) is { } folder ? ImagePreprocessing.Load(folder)
                : throw new InputException($"{Path}: expected {PreprocessorConfig.FileName} beside it or one folder " +
                    $"above; use --preprocess with {ImagePreprocessing.PresetNames}, or with the path of such a file");
        }

        return ImagePreprocessing.Preset(Preprocess) ?? (System.IO.Path.Exists(Preprocess)
            ? ImagePreprocessing.Load(Preprocess)
            : throw new InputException($"--preprocess: expected {ImagePreprocessing.PresetNames}, or the path of a " +
                $"{PreprocessorConfig.FileName}, found '{Preprocess}'; there is no file of this name"));
    }
}
