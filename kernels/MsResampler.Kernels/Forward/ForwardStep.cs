namespace MsResampler.Kernels.Forward;

/// <summary>One step of a forward pass: one launch of one kernel.</summary>
/// <param name="Name">One of <see cref="Planning.StageNames"/>, or two if the launch computes both.</param>
/// <param name="Launch">The launch.</param>
/// <param name="CountWork">Counts the work of the launch. It is called only to measure or estimate.</param>
internal sealed record ForwardStep(string Name, KernelLaunch Launch, Func<StepWork> CountWork);
