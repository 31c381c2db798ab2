namespace MsResampler.Training;

/// <summary>The result of one step.</summary>
/// <param name="Step">The step, from 1.</param>
/// <param name="StepCount">The number of steps in total.</param>
/// <param name="Loss">The loss of the batch before the step.</param>
/// <param name="Rate">The learning rate.</param>
/// <param name="GradientNorm">The norm of all gradients, before it was limited.</param>
/// <param name="ItemsPerSecond">The rate since this process started or resumed the run.</param>
/// <param name="TimeLeft">The time until the last step at that rate.</param>
public readonly record struct TrainingStep(long Step, long StepCount, double Loss, double Rate, double GradientNorm,
    double ItemsPerSecond, TimeSpan TimeLeft);
