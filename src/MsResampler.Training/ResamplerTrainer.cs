using System.Diagnostics.CodeAnalysis;
using MsResampler.Cpu;
using MsResampler.Training.Passes;

namespace MsResampler.Training;

/// <summary>Computes tokens and gradients of a model, so that any loss on the tokens can train it.</summary>
/// <remarks>Single precision. Tokens and gradients have the same bits with any number of threads: every sum has a fixed
/// order. Attention runs block by block within the scopes, and weights of attention are computed again for the
/// gradient, so that memory grows with N + M per image and not with N·M. Memory is kept for the next batch. Not
/// thread-safe: a call during another one throws <see cref="InvalidOperationException"/>. Trainers of one model add to
/// the same gradients: do not call two of them at a time.</remarks>
public sealed unsafe class ResamplerTrainer : IDisposable
{
    private readonly WorkerPool _workers;
    private readonly TrainingPass _pass;
    private readonly FeatureCheckWork _check = new();
    private BatchLayout? _batch;
    private int _isBusy;
    private bool _isDisposed;

    /// <summary>Prepares to train a model.</summary>
    /// <param name="model">The model. Its values may change between the calls.</param>
    /// <param name="options">The options; null for the default.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is negative.</exception>
    /// <exception cref="NotSupportedException">The environment variable MSRESAMPLER_CPU names an instruction set that
    /// this machine does not support.</exception>
    public ResamplerTrainer(TrainableModel model, TrainerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new();
        ArgumentOutOfRangeException.ThrowIfNegative(options.ThreadCount, "options.ThreadCount");
        Model = model;
        CpuVariant variant = options.Variant ?? CpuVariant.Choose();
        _workers = options.CreateWorkers(options.ThreadCount == 0 ? options.ProcessorCount
            : Math.Min(options.ThreadCount, options.ProcessorCount));
        _pass = TrainingPass.Create(variant, new ModelParts(model) { PatchPlaces = options.PatchPlaces }, _workers,
            options.Absorbs);
    }

    /// <summary>The model.</summary>
    public TrainableModel Model { get; }

    /// <summary>The number of threads that compute, the calling thread included.</summary>
    public int ThreadCount => _workers.ThreadCount;

    /// <summary>Memory of activations and gradients of the largest batch so far, in bytes.</summary>
    internal long WorkspaceBytes => _pass.WorkspaceBytes;

    /// <summary>The tokens of images, [B, M, L] row-major, as
    /// <see cref="Forward(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/> computes
    /// them.</summary>
    /// <param name="features">The features of all images one after another, each [H·W, C] row-major.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="cancellationToken">Cancels the call within it.</param>
    /// <inheritdoc cref="Forward(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"
    /// path="/exception"/>
    public float[] Forward(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids,
        CancellationToken cancellationToken = default)
    {
        float[] tokens = new float[TokenLength(grids.Length)];
        Forward(features, new FrameGroups(grids), tokens, cancellationToken);
        return tokens;
    }

    /// <summary>Computes the tokens of images, or of groups of frames, and keeps what
    /// <see cref="Backward"/> needs.</summary>
    /// <param name="features">The features of all frames one after another, each [H·W, C] row-major.</param>
    /// <param name="groups">The images, or the groups of frames; at least one.</param>
    /// <param name="tokens">Receives [B, M, L] row-major.</param>
    /// <param name="cancellationToken">Cancels the call within it. The tokens are then undefined.</param>
    /// <exception cref="ActivationOverflowException">A value left the range of float32.</exception>
    /// <exception cref="ArgumentException">The length of <paramref name="features"/> or <paramref name="tokens"/> does
    /// not match, there are no groups, a grid or a group is empty, or a temporal id is below −1.</exception>
    /// <exception cref="InsufficientMemoryException">The activations of the batch do not fit one buffer.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">Another call runs on another thread.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public void Forward(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken = default)
    {
        Enter("Forward");
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _batch = null;
            groups.Check();
            if (groups.GroupCount == 0)
                Throw("groups: expected at least 1 image or group of frames, found none", nameof(groups));
            int channels = Model.Config.VisionHiddenSize;
            Int128 featureLength = groups.PatchCount * channels;
            if (features.Length != featureLength)
                Throw($"features: expected {groups.PatchCount} patches x {channels} channels = {featureLength} " +
                    $"values, found {features.Length}", nameof(features));
            CheckTokens(tokens.Length, groups.GroupCount, "tokens", nameof(tokens));
            BatchLayout batch = new(groups);
            fixed (float* input = features)
            fixed (float* output = tokens)
            {
                int found = _check.Find(input, features.Length, _workers, cancellationToken);
                if (found >= 0)
                    throw InvalidFeaturesException.At(features, found, groups, channels);
                _pass.Forward(batch, input, output, cancellationToken);
                // No stage turns NaN or infinite values into finite ones: tokens show every overflow.
                found = _check.Find(output, tokens.Length, _workers, cancellationToken);
                if (found >= 0)
                    ActivationOverflowException.Throw(groups, found / TokenLength(1), Precision.Float32);
            }

            _batch = batch;
        }
        finally
        {
            Volatile.Write(ref _isBusy, 0);
        }
    }

    /// <summary>Adds the gradients of a loss to those of the parameters, for the inputs of the last forward
    /// call. The values of the parameters must not have changed since.</summary>
    /// <param name="tokenGradients">The gradient of the loss with respect to the tokens, [B, M, L] row-major.</param>
    /// <param name="featureGradients">Receives the gradient with respect to the features, with the shape of the
    /// features; empty if it is not needed.</param>
    /// <param name="cancellationToken">Cancels the call within it. All gradients are then undefined.</param>
    /// <exception cref="ArgumentException">A length does not match.</exception>
    /// <exception cref="InvalidOperationException">There was no forward call since the last call of this
    /// method, or another call runs on another thread.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public void Backward(ReadOnlySpan<float> tokenGradients, Span<float> featureGradients = default,
        CancellationToken cancellationToken = default)
    {
        Enter("Backward");
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_batch is not { } batch)
                throw new InvalidOperationException("Backward: expected a call of Forward before each call of " +
                    "Backward, found none, or one that failed");
            CheckTokens(tokenGradients.Length, batch.GroupCount, "tokenGradients", nameof(tokenGradients));
            int channels = Model.Config.VisionHiddenSize;
            if (!featureGradients.IsEmpty && featureGradients.Length != (long)batch.RowCount * channels)
                Throw($"featureGradients: expected {batch.RowCount} patches x {channels} channels = " +
                    $"{(long)batch.RowCount * channels} values, or none, found {featureGradients.Length}",
                    nameof(featureGradients));
            _batch = null;
            fixed (float* gradients = tokenGradients)
            fixed (float* output = featureGradients)
                _pass.Backward(gradients, output, cancellationToken);
        }
        finally
        {
            Volatile.Write(ref _isBusy, 0);
        }
    }

    /// <summary>The floats that a batch needs for activations, and for their gradients: the two buffers of which
    /// <see cref="WorkspaceBytes"/> is the sum. Allocates neither. A forward call must follow before the next backward
    /// call.</summary>
    internal (long Activations, long Gradients) Measure(FrameGroups groups)
    {
        Enter("Measure");
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _batch = null;
            groups.Check();
            return _pass.Measure(new BatchLayout(groups));
        }
        finally
        {
            Volatile.Write(ref _isBusy, 0);
        }
    }

    /// <summary>Ends the threads.</summary>
    /// <exception cref="InvalidOperationException">Another call runs on another thread.</exception>
    public void Dispose()
    {
        Enter("Dispose");
        _isDisposed = true;
        _workers.Dispose();
        Volatile.Write(ref _isBusy, 0);
    }

    // Two calls at a time would free buffers that the other one reads.
    private void Enter(string name)
    {
        if (Interlocked.Exchange(ref _isBusy, 1) != 0)
            throw new InvalidOperationException($"{name}: expected one call at a time, found another one that runs");
    }

    private int TokenLength(int groupCount)
        => checked((int)((long)groupCount * Model.Config.QueryGrid.QueryCount * Model.Config.OutputSize));

    private void CheckTokens(int length, int groupCount, string name, string parameter)
    {
        long expected = (long)groupCount * Model.Config.QueryGrid.QueryCount * Model.Config.OutputSize;
        if (length != expected)
            Throw($"{name}: expected {groupCount} x {Model.Config.QueryGrid.QueryCount} tokens x " +
                $"{Model.Config.OutputSize} = {expected} values, found {length}", parameter);
    }

    [DoesNotReturn]
    private static void Throw(string message, string name) => throw new ArgumentException(message, name);
}
