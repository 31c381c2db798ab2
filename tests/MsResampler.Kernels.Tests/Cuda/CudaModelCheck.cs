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
        RandomCase @case = new(caseIndex);
        using TestModel model = Rounding.Model(@case.Config, @case.Options, precision, (ulong)caseIndex);
        using Resampler resampler = Resampler.Load(model.Model,
            new ResamplerOptions { Backend = CudaBackend.Default, Precision = precision });
        float[][] features = [.. @case.Grids.Select((grid, image) => Rounding.Features(model, precision, grid,
            caseIndex + image))];
        int length = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
        float[] batch = new float[features.Length * length];
        resampler.Resample(features.SelectMany(values => values).ToArray(), @case.Grids, batch);
        for (int image = 0; image < features.Length; image++)
        {
            double[] expected = model.Reference.Resample(features[image], @case.Grids[image]);
            float[] alone = new float[length];
            resampler.Resample(features[image], [@case.Grids[image]], alone);
            Assert.That(Tolerances.RelativeError(alone, expected), Is.LessThanOrEqualTo(
                Rounding.ToleranceOf(precision)), $"{precision}, image {image}, {@case}");
            Assert.That(batch.AsSpan(image * length, length).SequenceEqual(alone),
                $"{precision}, image {image}, {@case}");
        }
    }
}
