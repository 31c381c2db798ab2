using System.Diagnostics.CodeAnalysis;
using MsResampler.Model;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler;

/// <summary>A loaded model that turns patch features into visual tokens.</summary>
/// <remarks>All members may be called from many threads at once. Calls that run when <see cref="Dispose"/> is called
/// finish normally; later ones throw <see cref="ObjectDisposedException"/>. A disposed instance holds neither weights nor
/// workspaces, whoever refers to it. An instance that is never disposed is finalised, and its threads
/// end.</remarks>
public sealed class Resampler : IDisposable
{
    private readonly ModelEngine _engine;
    private readonly IReadOnlyList<string> _modelWarnings;
    private volatile bool _isDisposed;

    private Resampler(ResamplerModel model, ResamplerOptions options)
    {
        Config = model.Config;
        _modelWarnings = model.Warnings;
        _engine = options.Backend.Create(model, options);
    }

    /// <summary>The model's configuration.</summary>
    public ResamplerConfig Config { get; }

    /// <summary>What was ignored while loading, and what makes the model run slower than it need, one sentence each:
    /// unknown configuration fields, files beside the checkpoint, buffers that the model does not use; a folder that cannot
    /// keep compiled kernels, from the first one on.</summary>
    public IReadOnlyList<string> Warnings
        => _engine.Warnings is { Count: > 0 } warnings ? [.. _modelWarnings, .. warnings] : _modelWarnings;

    /// <summary>The most threads one call uses, the caller's included.</summary>
    public int ThreadCount => _engine.ThreadCount;

    /// <summary>Numeric precision of the model's computation; never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision => _engine.Precision;

    /// <summary>Description of the backend, such as "cpu, avx512, 8 threads".</summary>
    public string Description => _engine.Description;

    /// <summary>Loads a model folder (config.json and a safetensors checkpoint) and prepares it to run. The files are
    /// not needed afterwards.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="options">How to run; null for the defaults.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The configuration or the checkpoint is missing.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <exception cref="SafetensorsException">The checkpoint's bytes are not valid safetensors.</exception>
    /// <exception cref="InvalidModelException">The configuration is wrong; or tensors are missing, unknown,
    /// misshapen, or hold values that are NaN, infinite or beyond float32 (all of them are named); or a product of weights
    /// leaves the range of float32.</exception>
    /// <exception cref="NotSupportedException">The MSRESAMPLER_CPU environment variable names an instruction set that
    /// this machine lacks, or the backend cannot compute in the precision that was asked for.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative, or no value of its type.</exception>
    public static Resampler Load(string folder, ResamplerOptions? options = null)
    {
        using ResamplerModel model = ResamplerModel.Open(folder);
        return Load(model, options);
    }

    /// <summary>Prepares an opened model to run.</summary>
    /// <param name="model">The model; it is not kept and may be disposed afterwards.</param>
    /// <param name="options">How to run; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative, or no value of its type.</exception>
    /// <exception cref="InvalidModelException">A product of weights leaves the range of float32.</exception>
    /// <exception cref="NotSupportedException">The MSRESAMPLER_CPU environment variable names an instruction set that
    /// this machine lacks, or the backend cannot compute in the precision that was asked for.</exception>
    public static Resampler Load(ResamplerModel model, ResamplerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new ResamplerOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.ThreadCount, "options.ThreadCount");
        ArgumentOutOfRangeException.ThrowIfNegative(options.GridCacheBytes, "options.GridCacheBytes");
        if (!Enum.IsDefined(options.Precision))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Precision,
                $"options.Precision: expected one of {string.Join(", ", Enum.GetNames<Precision>())}");
        }

        return new Resampler(model, options);
    }

    /// <summary>Computes the visual tokens of a ragged batch: every image has its own grid and nothing is padded. An
    /// image's tokens are the same bit for bit whatever else is in the batch, in which order, and on how many threads.
    /// </summary>
    /// <param name="features">The images' patch features one after another, each [H·W, C] row-major, float32.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major, float32: M tokens of width L per image. Must not overlap
    /// <paramref name="features"/>. Its content is undefined when the call throws after it has begun
    /// to compute.</param>
    /// <param name="cancellationToken">Checked before every unit of work, many times per image. Cancelling a call for one
    /// image leaves <paramref name="tokens"/> as they were.</param>
    /// <exception cref="ArgumentException">A grid is empty, or a length does not fit the grids; nothing was computed.
    /// </exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite; nothing was computed.</exception>
    /// <exception cref="ActivationOverflowException">A value that tokens depend on left the range of the precision; of
    /// several images the first is named.</exception>
    /// <exception cref="InvalidModelException">On this grid, seen for the first time, the model's queries leave the range
    /// of float32.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CheckSizes(grids, features.Length, tokens.Length);
        if (tokens.Overlaps(features))
            throw new ArgumentException("expected tokens in memory of their own, found them overlapping the features",
                nameof(tokens));
        _engine.Resample(features, grids, tokens, cancellationToken);
    }

    /// <summary>Computes what one image's tokens are made of: attention per scope and head, and gate weights.</summary>
    /// <param name="features">The image's patch features, [H·W, C] row-major.</param>
    /// <param name="grid">Its patch grid.</param>
    /// <returns>Attention in full, A·M·N floats per scope: for looking at, not for speed.</returns>
    /// <exception cref="ArgumentException">The grid is empty or the length does not fit it.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    /// <exception cref="ActivationOverflowException">A value left the range of the precision.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CheckGrids([grid], features.Length);
        return _engine.Explain(features, grid);
    }

    /// <summary>The engine, for calls that only its backend has.</summary>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    internal ModelEngine Engine
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _engine;
        }
    }

    /// <summary>The plan for a grid.</summary>
    internal ExecutionPlan Plan(PatchGrid grid) => _engine.Plan(grid);

    /// <summary>Ends the threads, lets go of weights and workspaces when calls under way have finished, and refuses further
    /// calls. Explanations stay valid. Calling it again does nothing.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _engine.Dispose();
    }

    /// <summary>Checks that the values of a batch are as many as its grids say.</summary>
    /// <exception cref="ArgumentException">A grid is empty, or a number does not fit the grids.</exception>
    internal void CheckSizes(ReadOnlySpan<PatchGrid> grids, long featureCount, long tokenCount)
    {
        CheckGrids(grids, featureCount);
        long expected = (long)grids.Length * Config.QueryGrid.QueryCount * Config.OutputSize;
        if (tokenCount != expected)
        {
            ThrowLength("tokens", $"{expected} ({grids.Length} images x {Config.QueryGrid.QueryCount} tokens x " +
                $"{Config.OutputSize})", tokenCount);
        }
    }

    private void CheckGrids(ReadOnlySpan<PatchGrid> grids, long featureCount)
    {
        Int128 patchCount = 0;
        for (int image = 0; image < grids.Length; image++)
        {
            if (grids[image].Rows < 1 || grids[image].Columns < 1)
                throw new ArgumentException(
                    $"image {image}: expected a patch grid of at least 1x1, found {grids[image]}", nameof(grids));
            patchCount += grids[image].PatchCount;
        }

        if (featureCount != patchCount * Config.VisionHiddenSize)
            ThrowLength("features", $"{patchCount * Config.VisionHiddenSize} ({patchCount} patches x " +
                $"{Config.VisionHiddenSize} channels)", featureCount);
    }

    [DoesNotReturn]
    private static void ThrowLength(string name, string expected, long found)
        => throw new ArgumentException($"{name}: expected {expected} values, found {found}", name);
}
