using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>A model folder, opened and validated: configuration and weights by role, before any backend.</summary>
public sealed class ResamplerModel : IDisposable
{
    /// <summary>The name of the configuration file in a model folder.</summary>
    public const string ConfigFileName = "config.json";

    private ResamplerModel(ResamplerConfig config, ResamplerWeights weights, SafetensorsCheckpoint checkpoint,
        string tensorPrefix, IReadOnlyList<string> warnings)
    {
        Config = config;
        Weights = weights;
        Checkpoint = checkpoint;
        TensorPrefix = tensorPrefix;
        Warnings = warnings;
    }

    /// <summary>The configuration.</summary>
    public ResamplerConfig Config { get; }

    /// <summary>The weights by role; they read from <see cref="Checkpoint"/> and are valid until disposal.</summary>
    public ResamplerWeights Weights { get; }

    /// <summary>The open checkpoint.</summary>
    public SafetensorsCheckpoint Checkpoint { get; }

    /// <summary>The prefix detected before the tensor names; empty when there is none.</summary>
    public string TensorPrefix { get; }

    /// <summary>What was ignored while loading, one sentence each: unknown configuration fields.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens a folder that holds <c>config.json</c> and a safetensors checkpoint.</summary>
    /// <param name="folder">The model folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="SafetensorsException">The checkpoint's bytes are not valid safetensors.</exception>
    /// <exception cref="InvalidModelException">The configuration is wrong, or tensors are missing, unexpected or
    /// misshapen: all of them are named.</exception>
    public static ResamplerModel Open(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: expected a model folder, found " +
                (File.Exists(folder) ? "a file" : "nothing"));
        string configPath = Path.Combine(folder, ConfigFileName);
        if (!File.Exists(configPath))
            throw new FileNotFoundException($"{configPath}: expected the model's configuration, found nothing",
                configPath);
        List<string> warnings = [];
        ResamplerConfig config = ConfigReader.ReadFile(configPath, warnings);
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);
        try
        {
            WeightBinder binder = new(config, checkpoint);
            return new ResamplerModel(config, binder.Bind(), checkpoint, binder.Prefix, warnings);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Closes the checkpoint.</summary>
    public void Dispose() => Checkpoint.Dispose();
}
