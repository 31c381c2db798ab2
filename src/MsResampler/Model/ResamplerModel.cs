using System.Diagnostics.CodeAnalysis;
using MsResampler.Gguf;
using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>An opened and validated model: the configuration and the weights by role.</summary>
public sealed class ResamplerModel : IDisposable
{
    /// <summary>The name of the configuration file in a model folder.</summary>
    public const string ConfigFileName = "config.json";

    /// <summary>The name in messages of a configuration that is not a file.</summary>
    private const string ConfigInMemory = "the configuration in memory";

    private readonly ITensorSource _source;

    private ResamplerModel(ResamplerConfig config, ResamplerWeights weights, ITensorSource source, LayoutMatch match,
        string tensorPrefix, IReadOnlyList<string> warnings)
        => (Config, Weights, _source, Layout, LayoutReason, TensorPrefix, Warnings)
            = (config, weights, source, match.Layout, match.Reason, tensorPrefix, warnings);

    /// <summary>The configuration: that of config.json, or for a published checkpoint one derived from its
    /// tensors.</summary>
    public ResamplerConfig Config { get; }

    /// <summary>The weights by role. They read from the checkpoint and are valid until disposal.</summary>
    public ResamplerWeights Weights { get; }

    /// <summary>The open checkpoint; null if the weights are in files of another format.</summary>
    public SafetensorsCheckpoint? Checkpoint => _source as SafetensorsCheckpoint;

    /// <summary>The layout that was recognised or asked for.</summary>
    public CheckpointLayout Layout { get; }

    /// <summary>The detected prefix of the tensor names; may be empty.</summary>
    public string TensorPrefix { get; }

    /// <summary>One sentence for each thing that was ignored or is in doubt: unknown configuration fields, other files
    /// in the folder, buffers that the model does not use, a choice between layouts.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>The path of the checkpoint, for messages.</summary>
    internal string SourcePath => _source.SourcePath;

    /// <summary>Whether the checkpoint is in memory, and not in a folder.</summary>
    internal bool IsInMemory => SourcePath == CheckpointBytes.Name;

    /// <summary>The tensors of the checkpoint.</summary>
    internal IReadOnlyList<TensorInfo> Tensors => _source.Tensors;

    /// <summary>What decided the layout, in a few words.</summary>
    internal string LayoutReason { get; }

    /// <summary>Opens a model: a folder of this project, with <c>config.json</c> and a checkpoint; the folder of a
    /// published model that contains a resampler, as it was downloaded; or the checkpoint alone. All weights of the
    /// resampler are read once to check their values; other tensors are not read.</summary>
    /// <param name="path">The folder, a <c>.safetensors</c> file, an index, or an <c>mmproj</c> file of llama.cpp
    /// (<c>.gguf</c>). A <c>config.json</c> beside a safetensors file or an index is used.</param>
    /// <param name="layout">The layout; null to recognise it by the tensors and, where they leave a choice, by
    /// <c>config.json</c>.</param>
    /// <param name="cancellationToken">Checked between parts of the weights.</param>
    /// <exception cref="DirectoryNotFoundException">The path does not exist.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to a file is denied.</exception>
    /// <exception cref="SafetensorsException">The checkpoint is not valid safetensors.</exception>
    /// <exception cref="GgufException">The GGUF file is invalid.</exception>
    /// <exception cref="InvalidModelException">The configuration is invalid; no layout fits; or tensors are missing,
    /// unknown, of the wrong shape, or contain NaN, infinity or values beyond float32. The exception lists all of
    /// them.</exception>
    /// <exception cref="OperationCanceledException">Loading was cancelled.</exception>
    public static ResamplerModel Open(string path, CheckpointLayout? layout = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        bool isFolder = Directory.Exists(path);
        if (!isFolder && !CheckpointFolder.IsFile(path))
        {
            throw new DirectoryNotFoundException($"{path}: expected a model folder or a checkpoint, found " +
                (File.Exists(path) ? CheckpointFolder.DescribeMissing(path) : "nothing"));
        }

        if (!isFolder && Path.GetFileName(path) == ConfigFileName)
        {
            throw new DirectoryNotFoundException($"{path}: expected a model folder or a checkpoint, found a " +
                "configuration; name the folder that holds it and the weights");
        }

        if (!isFolder && GgufFile.IsGguf(path))
            return Bind(GgufFile.Open(path), layout, [], cancellationToken);
        string folder = isFolder ? path : Path.GetDirectoryName(Path.GetFullPath(path)) ?? "";
        string configPath = Path.Combine(folder, ConfigFileName);
        byte[]? json = CheckpointFolder.IsFile(configPath) ? ConfigReader.ReadBytes(configPath) : null;
        PublishedConfig? published = json is null ? null : PublishedConfig.Read(json);
        bool isOwn = IsOwnConfig(json, published, layout);
        if (json is null && (isOwn || (isFolder && !CheckpointFolder.HasWeights(path))))
            ThrowNoConfig(configPath);

        List<string> warnings = [];
        if (json is null && (Directory.Exists(configPath) || new FileInfo(configPath).LinkTarget is not null))
            warnings.Add($"{configPath} was ignored: found {CheckpointFolder.DescribeMissing(configPath)}");
        ResamplerConfig? config = isOwn ? ConfigReader.Read(json, configPath, warnings) : null;
        SafetensorsCheckpoint source = SafetensorsCheckpoint.Open(path);
        try
        {
            if (json is not null && IsReplaced(configPath, json))
            {
                source.Dispose();
                return Open(path, layout, cancellationToken);
            }

            TensorNames names = new(source);
            if (config is null && NeedsConfig(names, published, layout))
            {
                if (json is null)
                    ThrowNoConfig(configPath);
                config = ConfigReader.Read(json, configPath, warnings);
            }

            return Bind(source, names, path, config, published, layout, warnings, cancellationToken);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Opens a model whose files are in memory, such as those of embedded resources, archives or blobs. They
    /// are checked as files are.</summary>
    /// <param name="checkpoint">The bytes of a <c>.safetensors</c> file, or of an <c>mmproj</c> file of llama.cpp.
    /// They are not copied, and must not change before the model is disposed.</param>
    /// <param name="config">The bytes of <c>config.json</c>; empty if there is none. A published checkpoint needs none,
    /// a GGUF file has none.</param>
    /// <param name="layout">The layout; null to recognise it.</param>
    /// <param name="cancellationToken">Checked between parts of the weights.</param>
    /// <exception cref="SafetensorsException">The checkpoint is not valid safetensors.</exception>
    /// <exception cref="GgufException">The GGUF file is invalid.</exception>
    /// <exception cref="InvalidModelException">The configuration is invalid, or it is missing and the checkpoint needs
    /// one; no layout fits; or tensors are missing, unknown, of the wrong shape, or contain NaN, infinity or values
    /// beyond float32. The exception lists all of them.</exception>
    /// <exception cref="OperationCanceledException">Loading was cancelled.</exception>
    public static ResamplerModel Open(ReadOnlyMemory<byte> checkpoint, ReadOnlyMemory<byte> config = default,
        CheckpointLayout? layout = null, CancellationToken cancellationToken = default)
        => Open(CheckpointBytes.Of(checkpoint), config.IsEmpty ? null
            : ConfigReader.ReadBytes(config, ConfigInMemory), layout, cancellationToken);

    /// <summary>Opens a model from streams, which are read from their positions to their ends and stay open. They may
    /// lack a length and be longer than 2 GiB. Their bytes are in memory until the model is disposed.</summary>
    /// <param name="checkpoint">A <c>.safetensors</c> file, or an <c>mmproj</c> file of llama.cpp.</param>
    /// <param name="config">A <c>config.json</c>; null if there is none.</param>
    /// <param name="layout">The layout; null to recognise it.</param>
    /// <param name="cancellationToken">Checked between reads and between parts of the weights.</param>
    /// <exception cref="IOException">A stream cannot be read.</exception>
    /// <exception cref="NotSupportedException">A stream is not readable.</exception>
    /// <inheritdoc cref="Open(ReadOnlyMemory{byte}, ReadOnlyMemory{byte}, CheckpointLayout, CancellationToken)"/>
    public static ResamplerModel Open(Stream checkpoint, Stream? config = null, CheckpointLayout? layout = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        byte[]? json = config is null ? null : ConfigReader.ReadBytes(config, ConfigInMemory);
        return Open(CheckpointBytes.ReadToEnd(checkpoint, cancellationToken), json, layout, cancellationToken);
    }

    private static ResamplerModel Open(CheckpointBytes bytes, byte[]? json, CheckpointLayout? layout,
        CancellationToken cancellationToken)
    {
        List<string> warnings = [];
        if (GgufFile.IsGguf(bytes))
        {
            if (json is not null)
                warnings.Add($"{ConfigInMemory} was ignored: a GGUF file has its own");
            return Bind(GgufFile.Open(bytes), layout, warnings, cancellationToken);
        }

        PublishedConfig? published = json is null ? null : PublishedConfig.Read(json);
        bool isOwn = IsOwnConfig(json, published, layout);
        ResamplerConfig? config = isOwn ? Read() : null;
        SafetensorsCheckpoint source = SafetensorsCheckpoint.Open(bytes);
        try
        {
            TensorNames names = new(source);
            if (config is null && NeedsConfig(names, published, layout))
                config = Read();
            return Bind(source, names, source.SourcePath, config, published, layout, warnings, cancellationToken);
        }
        catch
        {
            source.Dispose();
            throw;
        }

        ResamplerConfig Read() => json is null
            ? throw new InvalidModelException(ConfigInMemory, ["expected the model's configuration, found none; pass " +
                $"{ConfigFileName}, too"])
            : ConfigReader.Read(json, ConfigInMemory, warnings);
    }

    /// <summary>A model whose weights are not in files.</summary>
    internal static ResamplerModel FromWeights(ResamplerConfig config, ResamplerWeights weights, ITensorSource source)
        => new(config, weights, source, new LayoutMatch(CheckpointLayout.MsResampler, Prefix: "", "its weights", []),
            tensorPrefix: "", warnings: []);

    /// <summary>A model of this project's layout whose tensors are not in files.</summary>
    /// <exception cref="InvalidModelException">A value is NaN or infinite.</exception>
    internal static ResamplerModel FromTensors(ResamplerConfig config, ITensorSource source)
        => FromWeights(config, new WeightBinder(config, new TensorNames(source), CheckpointLayout.MsResampler,
            prefix: "", CancellationToken.None).Bind(), source);

    /// <summary>Whether a configuration has to be that of this project. One that is not a JSON object is, because it
    /// then has an error of its own.</summary>
    private static bool IsOwnConfig(byte[]? json, PublishedConfig? published, CheckpointLayout? layout)
        => layout == CheckpointLayout.MsResampler
            || (layout is null && json is not null && (published is null || published.IsOwn));

    /// <summary>Whether tensors are those of this project's own layout, which need a configuration. A language model
    /// may have a gate of its own.</summary>
    private static bool NeedsConfig(TensorNames names, PublishedConfig? published, CheckpointLayout? layout)
        => layout is null && published is not { IsKnown: true } && LayoutRecognition.IsOwn(names);

    /// <summary>Assigns the tensors of a checkpoint to roles. A configuration that is null is derived from
    /// them.</summary>
    private static ResamplerModel Bind(SafetensorsCheckpoint source, TensorNames names, string path,
        ResamplerConfig? config, PublishedConfig? published, CheckpointLayout? layout, List<string> warnings,
        CancellationToken cancellationToken)
    {
        LayoutMatch match = config is not null
            ? new LayoutMatch(CheckpointLayout.MsResampler, Prefix: null, ConfigFileName, [])
            : LayoutRecognition.Recognise(names, path, published, layout);
        config ??= PublishedResampler.Configure(match, names, path);
        WeightBinder binder = new(config, names, match.Layout, match.Prefix, cancellationToken);
        ResamplerWeights weights = binder.Bind();
        return new ResamplerModel(config, weights, source, match, binder.Prefix,
            [.. warnings, .. source.Warnings, .. match.Warnings, .. binder.Warnings]);
    }

    /// <summary>Assigns the tensors of a GGUF file to roles, and disposes the file if that throws.</summary>
    private static ResamplerModel Bind(GgufFile file, CheckpointLayout? layout, List<string> warnings,
        CancellationToken cancellationToken)
    {
        try
        {
            LayoutMatch match = GgufResampler.Recognise(file, layout);
            ResamplerConfig config = GgufResampler.Configure(match, file);
            WeightBinder binder = new(config, new TensorNames(file), match.Layout, match.Prefix, cancellationToken);
            ResamplerWeights weights = binder.Bind();
            return new ResamplerModel(config, weights, file, match, binder.Prefix,
                [.. warnings, .. match.Warnings, .. binder.Warnings]);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    [DoesNotReturn]
    private static void ThrowNoConfig(string configPath) => throw new FileNotFoundException(
        $"{configPath}: expected the model's configuration, found {CheckpointFolder.DescribeMissing(configPath)}" +
        CheckpointFolder.DescribeRevisions(Path.GetDirectoryName(configPath) ?? ""), configPath);

    /// <summary>Whether another process has started to replace the model. Replacing removes config.json first and
    /// writes it last.</summary>
    private static bool IsReplaced(string configPath, byte[] json)
    {
        FileInfo file = new(configPath);
        // A pipe has length 0 and cannot be read twice.
        return !file.Exists || (file.Length > 0 && !ConfigReader.ReadBytes(configPath).AsSpan().SequenceEqual(json));
    }

    /// <summary>Closes the checkpoint.</summary>
    public void Dispose() => _source.Dispose();
}
