using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>An opened and validated model folder: the configuration and the weights by role.</summary>
public sealed class ResamplerModel : IDisposable
{
    /// <summary>The name of the configuration file in a model folder.</summary>
    public const string ConfigFileName = "config.json";

    private ResamplerModel(ResamplerConfig config, ResamplerWeights weights, SafetensorsCheckpoint checkpoint,
        string tensorPrefix, IReadOnlyList<string> warnings)
        => (Config, Weights, Checkpoint, TensorPrefix, Warnings)
            = (config, weights, checkpoint, tensorPrefix, warnings);

    /// <summary>The configuration.</summary>
    public ResamplerConfig Config { get; }

    /// <summary>The weights by role. They read from <see cref="Checkpoint"/> and are valid until disposal.</summary>
    public ResamplerWeights Weights { get; }

    /// <summary>The open checkpoint.</summary>
    public SafetensorsCheckpoint Checkpoint { get; }

    /// <summary>The path of the checkpoint, for messages.</summary>
    internal string SourcePath => Checkpoint.SourcePath;

    /// <summary>The detected prefix of the tensor names; may be empty.</summary>
    public string TensorPrefix { get; }

    /// <summary>One sentence for each thing that was ignored: unknown configuration fields, other files in the
    /// folder, and buffers that the model does not use.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens a folder with <c>config.json</c> and a safetensors checkpoint. All weights are read once to
    /// check their values.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="cancellationToken">Checked between parts of the weights.</param>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to a file is denied.</exception>
    /// <exception cref="SafetensorsException">The checkpoint is not valid safetensors.</exception>
    /// <exception cref="InvalidModelException">The configuration is invalid; or tensors are missing, unknown, of the
    /// wrong shape, or contain NaN, infinity or values beyond float32. The exception lists all of them.</exception>
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

    /// <summary>Whether another process has started to replace the model. Replacing removes config.json first and
    /// writes it last.</summary>
    private static bool IsReplaced(string configPath, byte[] json)
    {
        FileInfo file = new(configPath);
        // A pipe has length 0 and cannot be read twice.
        return !file.Exists || (file.Length > 0 && !ConfigReader.ReadBytes(configPath).AsSpan().SequenceEqual(json));
    }

    /// <summary>Closes the checkpoint.</summary>
    public void Dispose() => Checkpoint.Dispose();
}
