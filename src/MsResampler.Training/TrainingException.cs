namespace MsResampler.Training;

/// <summary>A loss, a token, a gradient or a weight is NaN or infinite, so that training cannot go on.</summary>
public sealed class TrainingException : ArithmeticException
{
    /// <summary>Describes the value.</summary>
    /// <param name="step">The step, from 1.</param>
    /// <param name="name">The name of the tensor, or <c>loss</c>, or <c>tokens</c>.</param>
    /// <param name="message">What was found and what to do.</param>
    /// <param name="cause">The exception that this one replaces; may be null.</param>
    public TrainingException(long step, string name, string message, Exception? cause = null)
        : base($"step {step}, {name}: {message}", cause)
        => (Step, Name) = (step, name);

    /// <summary>The step, from 1.</summary>
    public long Step { get; }

    /// <summary>The name of the tensor, or <c>loss</c>, or <c>tokens</c>.</summary>
    public string Name { get; }
}
