using System.Diagnostics.CodeAnalysis;
using MsResampler.Model;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler;

/// <summary>A loaded model that turns patch features into visual tokens.</summary>
/// <remarks>All members are thread-safe. Calls in progress when <see cref="Dispose"/> is called finish normally;
/// later calls throw <see cref="ObjectDisposedException"/>. A disposed instance does not reference weights or
/// workspaces. The threads of an instance that is not disposed end when it is garbage-collected.</remarks>
public sealed partial class Resampler : IDisposable
{
    private readonly ModelEngine _engine;
    private readonly IReadOnlyList<string> _modelWarnings;
    private readonly string _precisionName;
    private volatile bool _isDisposed;

    private Resampler(ResamplerModel model, ResamplerOptions options)
    {
        Config = model.Config;
        _modelWarnings = model.Warnings;
        _engine = options.Backend.Create(model, options);
        _precisionName = _engine.Precision.ToString().ToLowerInvariant();
        if (!options.WarmUp)
            return;
        try
        {
            _engine.LoadKernels(CancellationToken.None);
        }
        catch
        {
            _engine.Dispose();
            throw;
        }
    }

    /// <summary>The model's configuration.</summary>
    public ResamplerConfig Config { get; }

    /// <summary>M, the number of tokens of an image or of a group of frames.</summary>
    public int TokenCount => Config.QueryGrid.QueryCount;

    /// <summary>L, the number of values of a token.</summary>
    public int TokenWidth => Config.OutputSize;

    /// <summary>C, the number of values of a patch feature.</summary>
    public int FeatureWidth => Config.VisionHiddenSize;

    /// <summary>One sentence for each thing that was ignored while loading (unknown configuration fields, other
    /// files in the folder, buffers that the model does not use) and for each reason why the model runs slower than
    /// necessary (such as a kernel cache that cannot be written). The list may grow.</summary>
    public IReadOnlyList<string> Warnings
        => _engine.Warnings is { Count: > 0 } warnings ? [.. _modelWarnings, .. warnings] : _modelWarnings;

    /// <summary>The largest number of threads that a call uses, the calling thread included.</summary>
    public int ThreadCount => _engine.ThreadCount;

    /// <summary>Numeric precision of the model; never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision => _engine.Precision;

    /// <summary>Memory of the weights in bytes; null if the backend does not know it. It may grow when a patch grid is
    /// used for the first time.</summary>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public long? WeightBytes => _engine.WeightBytes;

    /// <summary>Description of the backend, such as "cpu, avx512, 8 threads".</summary>
    public string Description => _engine.Description;

    /// <summary>The backend in one word, such as "cpu".</summary>
    internal string BackendName => _engine.BackendName;

    /// <summary>Loads a model: a folder of this project, the folder of a published model as it was downloaded, or a
    /// checkpoint alone. The files are not needed afterwards.</summary>
    /// <param name="path">The folder, or the <c>.safetensors</c> or <c>.gguf</c> file; see
    /// <see cref="ResamplerModel.Open(string, CheckpointLayout, CancellationToken)"/>.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="DirectoryNotFoundException">The path does not exist.</exception>
    /// <exception cref="FileNotFoundException">The configuration or the checkpoint is missing.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to a file is denied.</exception>
    /// <exception cref="SafetensorsException">The checkpoint is not valid safetensors.</exception>
    /// <exception cref="Gguf.GgufException">The GGUF file is invalid.</exception>
    /// <exception cref="InvalidModelException">The configuration is invalid; no layout fits; or tensors are missing,
    /// unknown, of the wrong shape, or contain NaN, infinity or values beyond float32 (the exception lists all of
    /// them); or a product of weights leaves the range of float32.</exception>
    /// <exception cref="NotSupportedException">The environment variable MSRESAMPLER_CPU names an instruction set
    /// that this machine does not support, or the backend does not support the precision or
    /// the weight storage.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative or not a value of its type.</exception>
    public static Resampler Load(string path, ResamplerOptions? options = null)
    {
        options ??= new ResamplerOptions();
        options.Backend.StartPreparing(options.Precision);
        using ResamplerModel model = ResamplerModel.Open(path, options.Layout);
        return Load(model, options);
    }

    /// <summary>Loads a model whose files are in memory, such as those of embedded resources, archives or blobs. They
    /// are not needed afterwards.</summary>
    /// <param name="checkpoint">The bytes of a <c>.safetensors</c> file, or of an <c>mmproj</c> file of llama.cpp
    /// (<c>.gguf</c>). They must not change during the call.</param>
    /// <param name="config">The bytes of <c>config.json</c>; empty if there is none. A published checkpoint needs none,
    /// a GGUF file has none.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="SafetensorsException">The checkpoint is not valid safetensors.</exception>
    /// <exception cref="Gguf.GgufException">The GGUF file is invalid.</exception>
    /// <exception cref="InvalidModelException">The configuration is invalid, or it is missing and the checkpoint needs
    /// one; no layout fits; or tensors are missing, unknown, of the wrong shape, or contain NaN, infinity or values
    /// beyond float32 (the exception lists all of them); or a product of weights leaves the range of
    /// float32.</exception>
    /// <exception cref="NotSupportedException">The environment variable MSRESAMPLER_CPU names an instruction set
    /// that this machine does not support, or the backend does not support the precision or
    /// the weight storage.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative or not a value of its type.</exception>
    public static Resampler Load(ReadOnlyMemory<byte> checkpoint, ReadOnlyMemory<byte> config = default,
        ResamplerOptions? options = null)
    {
        options ??= new ResamplerOptions();
        options.Backend.StartPreparing(options.Precision);
        using ResamplerModel model = ResamplerModel.Open(checkpoint, config, options.Layout);
        return Load(model, options);
    }

    /// <summary>Loads a model from streams, which are read from their positions to their ends and stay open. They may
    /// lack a length and be longer than 2 GiB.</summary>
    /// <param name="checkpoint">A <c>.safetensors</c> file, or an <c>mmproj</c> file of llama.cpp
    /// (<c>.gguf</c>).</param>
    /// <param name="config">A <c>config.json</c>; null if there is none.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="IOException">A stream cannot be read.</exception>
    /// <exception cref="NotSupportedException">A stream is not readable; or the environment variable MSRESAMPLER_CPU
    /// names an instruction set that this machine does not support, or the backend does not support the precision or
    /// the weight storage.</exception>
    /// <inheritdoc cref="Load(ReadOnlyMemory{byte}, ReadOnlyMemory{byte}, ResamplerOptions)"/>
    public static Resampler Load(Stream checkpoint, Stream? config = null, ResamplerOptions? options = null)
    {
        options ??= new ResamplerOptions();
        options.Backend.StartPreparing(options.Precision);
        using ResamplerModel model = ResamplerModel.Open(checkpoint, config, options.Layout);
        return Load(model, options);
    }

    /// <summary>Prepares an opened model to run.</summary>
    /// <param name="model">The model. The caller may dispose it afterwards.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative or not a value of its type.</exception>
    /// <exception cref="ArgumentException">The options name a layout, and the model was opened with another
    /// one.</exception>
    /// <exception cref="InvalidModelException">A product of weights leaves the range of float32.</exception>
    /// <exception cref="NotSupportedException">The environment variable MSRESAMPLER_CPU names an instruction set
    /// that this machine does not support, or the backend does not support the precision or
    /// the weight storage.</exception>
    public static Resampler Load(ResamplerModel model, ResamplerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new ResamplerOptions();
        options.Backend.StartPreparing(options.Precision);
        ArgumentOutOfRangeException.ThrowIfNegative(options.ThreadCount, "options.ThreadCount");
        ArgumentOutOfRangeException.ThrowIfNegative(options.GridCacheBytes, "options.GridCacheBytes");
        if (!Enum.IsDefined(options.Precision))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Precision,
                $"options.Precision: expected one of {string.Join(", ", Enum.GetNames<Precision>())}");
        }

        if (!Enum.IsDefined(options.WeightStorage))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.WeightStorage,
                $"options.WeightStorage: expected one of {string.Join(", ", Enum.GetNames<WeightStorage>())}");
        }

        if (((options.Int8Layers ?? ModelLayers.None) & ~ModelLayers.All) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Int8Layers,
                $"options.Int8Layers: expected flags of {nameof(ModelLayers)}");
        }

        if (options.Layout is not null && options.Layout != model.Layout)
        {
            throw new ArgumentException($"options.Layout: expected {model.Layout}, the layout of the open model, or " +
                $"null, found {options.Layout}", nameof(options));
        }

        return new Resampler(model, options);
    }

    /// <summary>The number of values of the tokens of a batch, B·M·L.</summary>
    /// <param name="imageCount">B, the number of images or of groups of frames.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or so large that no array can hold the
    /// tokens.</exception>
    public int TokenLength(int imageCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(imageCount);
        Int128 length = (Int128)imageCount * TokenCount * TokenWidth;
        if (length > Array.MaxLength)
        {
            throw new ArgumentOutOfRangeException(nameof(imageCount), imageCount, $"imageCount: expected at most " +
                $"{Array.MaxLength} values of tokens, found {length} ({imageCount} x {TokenCount} tokens x " +
                $"{TokenWidth}); use several calls");
        }

        return (int)length;
    }

    /// <summary>The number of values of the features of a batch, C times the number of patches.</summary>
    /// <param name="grids">One patch grid per image or frame.</param>
    /// <exception cref="ArgumentException">A grid is empty, or no array can hold the features.</exception>
    public int FeatureLength(params ReadOnlySpan<PatchGrid> grids)
    {
        FrameGroups images = new(grids);
        images.Check();
        Int128 length = images.PatchCount * FeatureWidth;
        if (length > Array.MaxLength)
        {
            throw new ArgumentException($"grids: expected at most {Array.MaxLength} values of features, found " +
                $"{length} ({images.PatchCount} patches x {FeatureWidth} channels); use several calls",
                nameof(grids));
        }

        return (int)length;
    }

    /// <summary>Prepares the model for calls, so that not even the first one waits for preparations. On a GPU all
    /// kernels that the model may need are compiled and loaded, in parallel. Then, on every backend, a batch with the
    /// given grids is computed from features that are 0, as often as is needed until calls of
    /// <see cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/> with the
    /// same grids are at full speed.</summary>
    /// <param name="grids">The patch grids of a batch that later calls will have; none to prepare only what does not
    /// depend on grids. A batch of other grids, or of other numbers of images, needs a call of its own.</param>
    /// <param name="cancellationToken">Checked between kernels, and within images.</param>
    /// <exception cref="ArgumentException">A grid is empty, or the batch is too large for one call.</exception>
    /// <exception cref="InvalidModelException">The queries of the model leave the range of float32 on a
    /// grid.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public void WarmUp(ReadOnlySpan<PatchGrid> grids = default, CancellationToken cancellationToken = default)
        => WarmUp(new FrameGroups(grids), cancellationToken);

    /// <summary>Prepares the model for calls with groups of frames.</summary>
    /// <param name="groups">The groups of a batch that later calls will have; their temporal ids have no
    /// effect.</param>
    /// <param name="cancellationToken">Checked between kernels, and within groups.</param>
    /// <exception cref="ArgumentException">A grid or a group is empty, or the batch is too large for one
    /// call.</exception>
    /// <inheritdoc cref="WarmUp(ReadOnlySpan{PatchGrid}, CancellationToken)"/>
    public void WarmUp(FrameGroups groups, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        groups.Check();
        Int128 featureCount = groups.PatchCount * FeatureWidth;
        Int128 tokenCount = (Int128)groups.GroupCount * TokenCount * TokenWidth;
        if (Int128.Max(featureCount, tokenCount) > Array.MaxLength)
        {
            throw new ArgumentException($"{groups.GroupCount} {(groups.AreImages ? "images" : "groups")}: expected " +
                $"at most {Array.MaxLength} features and tokens, found {featureCount} and {tokenCount}",
                nameof(groups));
        }

        _engine.LoadKernels(cancellationToken);
        if (groups.GroupCount == 0)
            return;
        float[] features = new float[(int)featureCount];
        float[] tokens = new float[(int)tokenCount];
        for (int call = 0; call < _engine.WarmUpCallCount; call++)
            _engine.Resample(features, groups, tokens, cancellationToken);
    }

    /// <summary>Computes the visual tokens of a ragged batch: every image has its own patch grid and nothing is
    /// padded. The tokens of an image are bit-identical for any batch, any order of images and any number of
    /// threads.</summary>
    /// <param name="features">The patch features of all images, each [H·W, C] row-major, float32.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major, float32: M tokens of width L per image. Must not overlap
    /// <paramref name="features"/>. Its content is undefined if the call throws, unless stated otherwise.</param>
    /// <param name="cancellationToken">Checked many times per image. Cancelling a call for one image leaves
    /// <paramref name="tokens"/> unchanged.</param>
    /// <exception cref="ArgumentException">A grid is empty, a length does not match the grids, or the tokens overlap
    /// the features; nothing was computed.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite; nothing was computed.</exception>
    /// <exception cref="ActivationOverflowException">A value left the range of the precision. If this happens in
    /// several images, the exception names the first.</exception>
    /// <exception cref="InvalidModelException">A grid is used for the first time, and the queries of the model leave
    /// the range of float32 on it.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken = default)
        => Resample(features, new FrameGroups(grids), tokens, cancellationToken);

    /// <summary>Computes the visual tokens of groups of frames, as in video: M tokens per group. Every frame has its
    /// own patch grid, groups have any number of frames, and nothing is padded. The tokens of a group are bit-identical
    /// for any batch, any order of groups and any number of threads.</summary>
    /// <param name="features">The patch features of all frames, one after another, each [H·W, C] row-major,
    /// float32.</param>
    /// <param name="groups">The grids and temporal ids of the frames, and the number of frames of each group. The spans
    /// must not change during the call.</param>
    /// <param name="tokens">Receives [groups, M, L] row-major, float32. Must not overlap <paramref name="features"/>.
    /// Its content is undefined if the call throws, unless stated otherwise.</param>
    /// <param name="cancellationToken">Checked many times per group. Cancelling a call for one group leaves
    /// <paramref name="tokens"/> unchanged.</param>
    /// <exception cref="ArgumentException">A grid or a group is empty, a temporal id is below −1, a length does not
    /// match, or the tokens overlap the features; nothing was computed.</exception>
    /// <exception cref="ActivationOverflowException">A value left the range of the precision. If this happens in
    /// several groups, the exception names the first.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/>
    public void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken = default)
        => Resample(features, groups, tokens, gate: [], givesGate: false, cancellationToken);

    /// <summary>Computes the visual tokens of one image in a new array.</summary>
    /// <param name="features">The patch features of the image, [H·W, C] row-major, float32.</param>
    /// <param name="grid">The patch grid of the image.</param>
    /// <param name="cancellationToken">Checked many times.</param>
    /// <returns>The tokens, [M, L] row-major.</returns>
    /// <exception cref="ArgumentException">The grid is empty, or the length does not match it.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/>
    public float[] Resample(ReadOnlySpan<float> features, PatchGrid grid,
        CancellationToken cancellationToken = default)
        => Resample(features, new FrameGroups([grid]), cancellationToken);

    /// <summary>Computes the visual tokens of a ragged batch in a new array.</summary>
    /// <param name="features">The patch features of all images, each [H·W, C] row-major, float32.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="cancellationToken">Checked many times per image.</param>
    /// <returns>The tokens, [B, M, L] row-major.</returns>
    /// <exception cref="ArgumentException">A grid is empty, the length does not match the grids, or no array can hold
    /// the tokens.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/>
    public float[] Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids,
        CancellationToken cancellationToken = default)
        => Resample(features, new FrameGroups(grids), cancellationToken);

    /// <summary>Computes the visual tokens of groups of frames in a new array.</summary>
    /// <param name="features">The patch features of all frames, one after another, each [H·W, C] row-major,
    /// float32.</param>
    /// <param name="groups">The grids and temporal ids of the frames, and the number of frames of each group.</param>
    /// <param name="cancellationToken">Checked many times per group.</param>
    /// <returns>The tokens, [groups, M, L] row-major.</returns>
    /// <exception cref="ArgumentException">A grid or a group is empty, a temporal id is below −1, a length does not
    /// match, or no array can hold the tokens.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>
    public float[] Resample(ReadOnlySpan<float> features, FrameGroups groups,
        CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        float[] tokens = new float[TokenLength(groups.GroupCount)];
        Resample(features, groups, tokens, cancellationToken);
        return tokens;
    }

    /// <summary>Computes the attention weights, gate weights and tokens of one image. It is slower than
    /// <see cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/>.</summary>
    /// <param name="features">The patch features of the image, [H·W, C] row-major, float32.</param>
    /// <param name="grid">The patch grid of the image.</param>
    /// <param name="cancellationToken">Checked many times.</param>
    /// <returns>The tokens, the gate weights and the full attention weights, A·M·N floats per scope.</returns>
    /// <exception cref="ArgumentException">The grid is empty, or the length does not match it.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    /// <exception cref="ActivationOverflowException">A value left the range of the precision.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid,
        CancellationToken cancellationToken = default)
        => Explain(features, new FrameGroups([grid]), cancellationToken);

    /// <summary>Computes the attention weights, gate weights and tokens of one group of frames. It is slower than
    /// <see cref="Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>.</summary>
    /// <param name="features">The patch features of the frames, one after another, each [H·W, C] row-major,
    /// float32.</param>
    /// <param name="grids">The patch grid of each frame; at least one frame.</param>
    /// <param name="temporalIds">The temporal id of each frame, or −1 for a frame without a time.</param>
    /// <param name="cancellationToken">Checked many times.</param>
    /// <returns>The tokens, the gate weights and the full attention weights, A·M·N floats per scope, where N counts the
    /// patches of all frames.</returns>
    /// <exception cref="ArgumentException">There is no frame, a grid is empty, a temporal id is below −1, or a length
    /// does not match.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    /// <exception cref="ActivationOverflowException">A value left the range of the precision.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public Explanation Explain(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids,
        ReadOnlySpan<int> temporalIds, CancellationToken cancellationToken = default)
        => Explain(features, new FrameGroups(grids, temporalIds, [grids.Length]), cancellationToken);

    /// <summary>The engine, for calls that only one backend supports.</summary>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    internal ModelEngine Engine
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _engine;
        }
    }

    /// <summary>The plan for images of a patch grid.</summary>
    internal ExecutionPlan Plan(PatchGrid grid) => _engine.Plan(grid);

    /// <summary>Ends the threads, and frees weights and workspaces after calls in progress have finished. Later
    /// calls throw. Explanations stay valid. Calling it again has no effect.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _engine.Dispose();
    }

    /// <summary>Checks groups, and that the numbers of features and tokens match them.</summary>
    /// <exception cref="ArgumentException">A group is invalid, or a number does not match.</exception>
    internal void CheckSizes(FrameGroups groups, long featureCount, long tokenCount)
    {
        CheckFeatures(groups, featureCount);
        long expected = (long)groups.GroupCount * TokenCount * TokenWidth;
        if (tokenCount != expected)
        {
            ThrowLength("tokens", $"{expected} ({groups.GroupCount} {(groups.AreImages ? "images" : "groups")} x " +
                $"{TokenCount} tokens x {TokenWidth})", tokenCount);
        }
    }

    /// <summary>Starts to measure a call.</summary>
    internal TelemetryOperation StartOperation(string name)
        => Telemetry.Start(name, _engine.BackendName, _precisionName);

    private Explanation Explain(ReadOnlySpan<float> features, FrameGroups group, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        TelemetryOperation operation = StartOperation("explain");
        Explanation explanation;
        try
        {
            CheckFeatures(group, features.Length);
            explanation = _engine.Explain(features, group, cancellationToken);
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }

        operation.Complete(group.FrameCount, TokenCount);
        return explanation;
    }

    private void CheckFeatures(FrameGroups groups, long featureCount)
    {
        groups.Check();
        Int128 patchCount = groups.PatchCount;
        if (featureCount != patchCount * FeatureWidth)
            ThrowLength("features", $"{patchCount * FeatureWidth} ({patchCount} patches x " +
                $"{FeatureWidth} channels)", featureCount);
    }

    [DoesNotReturn]
    private static void ThrowLength(string name, string expected, long found)
        => throw new ArgumentException($"{name}: expected {expected} values, found {found}", name);
}
