namespace MsResampler.Training;

/// <summary>Computes tokens and gradients of a model, so that any loss on the tokens can train it.</summary>
/// <remarks>Single precision. Tokens and gradients have the same bits with any number of threads: every sum has a fixed
/// order. Attention runs block by block within the scopes, and weights of attention are computed again for the
/// gradient, so that memory grows with N + M per image and not with N·M. Not thread-safe.</remarks>
public sealed class ResamplerTrainer : IDisposable
{
    /// <summary>Prepares to train a model.</summary>
    /// <param name="model">The model. Its values may change between the calls.</param>
    /// <param name="options">The options; null for the default.</param>
    public ResamplerTrainer(TrainableModel model, TrainerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        Options = options ?? new();
    }

    /// <summary>The model.</summary>
    public TrainableModel Model { get; }

    internal TrainerOptions Options { get; }

    /// <summary>The number of threads that compute.</summary>
    public int ThreadCount => throw new NotImplementedException();

    /// <summary>The tokens of images, [B, M, L] row-major.</summary>
    /// <param name="features">The features of all images one after another, each [H·W, C] row-major.</param>
    /// <param name="grids">One patch grid per image.</param>
    public float[] Forward(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids)
        => throw new NotImplementedException();

    /// <summary>Computes the tokens of images, or of groups of frames, and keeps what
    /// <see cref="Backward"/> needs.</summary>
    /// <param name="features">The features of all frames one after another, each [H·W, C] row-major.</param>
    /// <param name="groups">The images, or the groups of frames; at least one.</param>
    /// <param name="tokens">Receives [B, M, L] row-major.</param>
    /// <exception cref="ArgumentException">The length of <paramref name="features"/> or <paramref name="tokens"/> does
    /// not match, or a grid is empty.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    public void Forward(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens)
        => throw new NotImplementedException();

    /// <summary>Adds the gradients of a loss to those of the parameters, for the inputs of the last forward
    /// call.</summary>
    /// <param name="tokenGradients">The gradient of the loss with respect to the tokens, [B, M, L] row-major.</param>
    /// <param name="featureGradients">Receives the gradient with respect to the features, with the shape of the
    /// features; empty if it is not needed.</param>
    /// <exception cref="ArgumentException">A length does not match.</exception>
    /// <exception cref="InvalidOperationException">There was no forward call since the last call of this
    /// method.</exception>
    public void Backward(ReadOnlySpan<float> tokenGradients, Span<float> featureGradients = default)
        => throw new NotImplementedException();

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
    }
}
