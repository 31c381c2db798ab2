using MsResampler.Cli.Engines;
using MsResampler.Kernels;
using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;
using MsResampler.Vision;

namespace MsResampler.Server.Models;

/// <summary>Turns the settings of a model into the options of the library.</summary>
internal static class ModelOptions
{
    /// <summary>The options. This may open the GPUs, which takes some tenths of a second.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="backend">The backend; null for that of the settings.</param>
    /// <exception cref="ArgumentException">A setting is wrong.</exception>
    /// <exception cref="IOException">The preprocessing cannot be read.</exception>
    /// <exception cref="InvalidModelException">The preprocessing is invalid.</exception>
    public static MsResamplerOptions Of(ModelSettings settings, Backend? backend)
    {
        Precision precision = PrecisionOf(settings.Precision);
        return new MsResamplerOptions
        {
            ModelPath = settings.Path,
            EncoderPath = settings.Encoder,
            WarmUpGrids = [.. settings.WarmUp.Select(GridOf)],
            Tokenizer = new VisualTokenizerOptions
            {
                Encoder = new VisionEncoderOptions
                {
                    Preprocessing = settings.Preprocessing is null ? null
                        : ImagePreprocessing.Preset(settings.Preprocessing)
                            ?? ImagePreprocessing.Load(settings.Preprocessing),
                    ThreadCount = settings.Threads,
                },
                Resampler = new ResamplerOptions
                {
                    Backend = backend ?? BackendOf(settings, precision),
                    Precision = precision,
                    ThreadCount = settings.Threads,

                    // Requests were checked when they arrived, pictures are checked after the encoder.
                    ValidateFeatures = false,
                },
            },
        };
    }

    private static Precision PrecisionOf(string name)
        => PrecisionChoice.All.FirstOrDefault(choice => choice.Name == name)?.Precision
            ?? throw new ArgumentException($"precision: expected one of {string.Join(", ", PrecisionChoice.All)}, " +
                $"found '{name}'", nameof(name));

    private static PatchGrid GridOf(string text) => SettingValue.TryGrid(text, out PatchGrid grid) ? grid
        : throw new ArgumentException($"warm-up: expected a patch grid such as 24x24, found '{text}'", nameof(text));

    private static Backend BackendOf(ModelSettings settings, Precision precision)
    {
        // Only the CPU has integer products.
        bool usesDevice = settings.Backend switch
        {
            "cpu" => false,
            "cuda" => true,
            "auto" => settings.Device is not null
                || (precision != Precision.Int8 && CudaBackend.IsAvailable(out _)),
            _ => throw new ArgumentException($"backend: expected auto, cpu or cuda, found '{settings.Backend}'",
                nameof(settings)),
        };
        return !usesDevice ? Backend.Cpu
            : settings.Device is { } device ? CudaBackend.ForDevice(device) : CudaBackend.Default;
    }
}
