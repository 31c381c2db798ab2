namespace MsResampler.Training;

/// <summary>A loss, a gradient or a weight is NaN or infinite, so that training cannot go on.</summary>
public sealed class TrainingException : ArithmeticException
{
    /// <summary>Describes the value.</summary>
    /// <param name="step">The step, from 1.</param>
    /// <param name="name">The name of the tensor, or <c>loss</c>.</param>
    /// <param name="message">What was found and what to do.</param>
    public TrainingException(long step, string name, string message)
        : base($"step {step}, {name}: {message}")
        => (Step, Name) = (step, name);

    /// <summary>The step, from 1.</summary>
    public long Step { get; }

    /// <summary>The name of the tensor, or <c>loss</c>.</summary>
    public string Name { get; }
}
