using MsResampler.Kernels.Tests.Parity;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>A random model with a ragged batch on the CUDA backend in one precision, on the mock or on a real
/// device.</summary>
internal static class CudaModelCheck
{
    /// <summary>Asserts that the tokens of each image agree with the reference and have the same bits alone and in
    /// the batch.</summary>
    public static void Run(int caseIndex, Precision precision)
    {
        ParityResult result = ParityCase.OfRandom(caseIndex).Run(precision);
        Assert.That(result.Error, Is.LessThanOrEqualTo(result.Bound), $"{precision}, {result.Description}");
        Assert.That(result.HasSameBits, $"{precision}, {result.Description}: other bits in a batch");
    }
}
