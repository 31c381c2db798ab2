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

    /// <summary>What was ignored while loading, one sentence each: unknown configuration fields, files beside the
    /// checkpoint, buffers that the model does not use.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens a folder that holds <c>config.json</c> and a safetensors checkpoint, and reads all weights once
    /// to check them.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="cancellationToken">Looked at between parts of the weights.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <exception cref="SafetensorsException">The checkpoint's bytes are not valid safetensors.</exception>
    /// <exception cref="InvalidModelException">The configuration is wrong; or tensors are missing, unknown,
    /// misshapen, or hold values that are NaN, infinite or beyond float32: all of them are named.</exception>
    /// <exception cref="OperationCanceledException">Loading was cancelled.</exception>
    public static ResamplerModel Open(string folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException($"{folder}: expected a model folder, found " + (File.Exists(folder)
                ? $"a file; name the folder that holds {ConfigFileName} and the weights" : "nothing"));
        }

        string configPath = Path.Combine(folder, ConfigFileName);
        if (!CheckpointFolder.IsFile(configPath))
        {
            throw new FileNotFoundException($"{configPath}: expected the model's configuration, found " +
                CheckpointFolder.DescribeMissing(configPath), configPath);
        }

        List<string> warnings = [];
        byte[] json = ConfigReader.ReadBytes(configPath);
        ResamplerConfig config = ConfigReader.Read(json, configPath, warnings);
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);
        if (IsReplaced(configPath, json))
        {
            checkpoint.Dispose();
            return Open(folder, cancellationToken);
        }

        try
        {
            WeightBinder binder = new(config, checkpoint, cancellationToken);
            ResamplerWeights weights = binder.Bind();
            return new ResamplerModel(config, weights, checkpoint, binder.Prefix,
                [.. warnings, .. checkpoint.Warnings, .. binder.Warnings]);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Whether another process has begun to replace the model: its config.json goes first and comes
    /// last.</summary>
    private static bool IsReplaced(string configPath, byte[] json)
    {
        FileInfo file = new(configPath);
        // A pipe, which has no length, cannot be read again.
        return !file.Exists || (file.Length > 0 && !ConfigReader.ReadBytes(configPath).AsSpan().SequenceEqual(json));
    }

    /// <summary>Closes the checkpoint.</summary>
    public void Dispose() => Checkpoint.Dispose();
}
