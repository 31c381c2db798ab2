namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Runs the tests of this namespace one after another on one thread, because they share the driver, but beside
/// the tests of other namespaces, which do not use it.</summary>
[SetUpFixture]
[Parallelizable(ParallelScope.Self)]
[SingleThreaded]
internal sealed class CudaLane;
