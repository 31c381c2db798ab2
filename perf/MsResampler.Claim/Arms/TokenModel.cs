using MsResampler.Training;

namespace MsResampler.Claim.Arms;

/// <summary>What an arm trains: a model from patches to tokens.</summary>
internal abstract class TokenModel : IDisposable
{
    /// <summary>The parameters.</summary>
    public abstract IReadOnlyList<TrainableTensor> Tensors { get; }

    /// <summary>Computes the tokens of scenes, [scenes, M, L], and keeps what <see cref="Backward"/> needs.</summary>
    public abstract void Forward(ReadOnlySpan<float> features, PatchGrid grid, int sceneCount, Span<float> tokens);

    /// <summary>Adds the gradients of a loss to those of the parameters.</summary>
    public abstract void Backward(ReadOnlySpan<float> tokenGradients);

    /// <summary>Factors of the learning rate by name.</summary>
    public virtual IReadOnlyDictionary<string, double> RateFactors { get; } = new Dictionary<string, double>();

    /// <summary>Called after each step of the optimiser.</summary>
    public virtual void AfterStep()
    {
    }

    public virtual void Dispose() => GC.SuppressFinalize(this);
}
