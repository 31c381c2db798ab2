using MsResampler.Tests;
using MsResampler.Tests.Parity;
using MsResampler.Tests.Reference;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>A random model with a ragged batch on the CUDA backend, whatever is behind it.</summary>
internal static class CudaModelCheck
{
    /// <summary>The bound of a model in float32 kernels against double precision.</summary>
    public const double Bound = 5e-6;

    /// <summary>Asserts that each image's tokens are those of the reference, and the same bits alone and in the
    /// batch.</summary>
    public static void Run(int caseIndex)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        using Resampler resampler = Resampler.Load(model.Model, new ResamplerOptions { Backend = CudaBackend.Default });
        float[][] features = [.. @case.Grids.Select((grid, image) => model.RandomFeatures(grid, caseIndex + image))];
        int length = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
        float[] batch = new float[features.Length * length];
        resampler.Resample(features.SelectMany(values => values).ToArray(), @case.Grids, batch);
        for (int image = 0; image < features.Length; image++)
        {
            double[] expected = model.Reference.Resample(features[image], @case.Grids[image]);
            float[] alone = new float[length];
            resampler.Resample(features[image], [@case.Grids[image]], alone);
            Assert.That(Tolerances.RelativeError(alone, expected), Is.LessThanOrEqualTo(Bound), $"image {image}, {@case}");
            Assert.That(batch.AsSpan(image * length, length).SequenceEqual(alone), $"image {image}, {@case}");
        }
    }
}
