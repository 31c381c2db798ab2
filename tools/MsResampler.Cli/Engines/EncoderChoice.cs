using MsResampler.Vision;

namespace MsResampler.Cli.Engines;

/// <summary>What the options of <c>run</c> say about the vision encoder.</summary>
/// <param name="Path">The ONNX file.</param>
/// <param name="Preprocess">The name of a preset, or a path; null for the file beside the encoder.</param>
internal sealed record EncoderChoice(string Path, string? Preprocess)
{
    /// <summary>The names of the presets.</summary>
    public const string Presets = "clip, siglip, imagenet";

    private const string ConfigName = "preprocessor_config.json";

    /// <summary>Loads the encoder.</summary>
    /// <param name="threadCount">The number of threads; null for one per processor core.</param>
    /// <param name="terminal">Shows the progress.</param>
    /// <exception cref="InputException">The encoder or its preprocessing does not exist.</exception>
    /// <exception cref="InvalidEncoderException">The file is not a usable encoder.</exception>
    public VisionEncoder Load(int? threadCount, Terminal terminal)
    {
        if (Directory.Exists(Path))
            throw new InputException($"{Path}: this is a folder; --encoder expects the .onnx file in it");
        if (!File.Exists(Path))
            throw new InputException($"{Path}: there is no such file; --encoder expects a vision encoder in ONNX");
        ImagePreprocessing preprocessing = ReadPreprocessing();
        terminal.Say($"loading {Path}");
        return VisionEncoder.Load(Path, new VisionEncoderOptions
        {
            Preprocessing = preprocessing,
            ThreadCount = threadCount ?? 0,
        });
    }

    private ImagePreprocessing ReadPreprocessing()
    {
        switch (Preprocess)
        {
            case "clip":
                return ImagePreprocessing.Clip;
            case "siglip":
                return ImagePreprocessing.SigLip;
            case "imagenet":
                return ImagePreprocessing.ImageNet;
            case null:
                string beside = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(
                    System.IO.Path.GetFullPath(Path))!, ConfigName);
                return File.Exists(beside) ? ImagePreprocessing.Load(beside) : throw new InputException(
                    $"{Path}: expected {ConfigName} beside it; use --preprocess with {Presets}, or with the path of " +
                    "such a file");
            default:
                return System.IO.Path.Exists(Preprocess) ? ImagePreprocessing.Load(Preprocess)
                    : throw new InputException($"--preprocess: expected {Presets}, or the path of a {ConfigName}, " +
                        $"found '{Preprocess}'");
        }
    }
}
