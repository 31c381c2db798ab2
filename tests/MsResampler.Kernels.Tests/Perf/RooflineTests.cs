using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using MsResampler.Perf.Roofline;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The static roofline.</summary>
public sealed class RooflineTests
{
    /// <summary>Round numbers: 100 TFLOP/s, 1 TB/s, a cache of 40 MB.</summary>
    private static readonly RooflineDevice s_device = new("round", 80, 100, 100, 1, 10, 1000, 40, "");

    [Test]
    public void The_file_in_the_results_folder_is_up_to_date()
    {
        string path = Path.Combine(TestContext.CurrentContext.TestDirectory, RooflineReport.FileName);

        Assert.That(File.ReadAllText(path), Is.EqualTo(RooflineReport.ToMarkdown()),
            "run the roofline command of perf/MsResampler.Perf");
    }

    [Test]
    public void The_time_is_that_of_the_limiting_factor_plus_the_launch()
    {
        StepWork streaming = new(1e6, ConstantBytes: 1e6, ReadBytes: 30e6, WrittenBytes: 2e6);
        StepWork cached = new(1e6, ConstantBytes: 1e6, ReadBytes: 20e6, WrittenBytes: 2e6);
        StepWork tiny = new(1e6, 1, 1, 1);
        StepWork vector = new(1e9, 1, 1, 1);

        Assert.That(Estimate(streaming), Is.EqualTo((33 + 1.5, RooflineBound.Memory)), "everything from memory");
        Assert.That(Estimate(cached), Is.EqualTo((3 + 1.5, RooflineBound.Memory)), "activations from the cache");
        Assert.That(Estimate(tiny), Is.EqualTo((0.1 + 1.5, RooflineBound.Launch)));
        Assert.That(Estimate(vector), Is.EqualTo((100 + 1.5, RooflineBound.Operations)), "outside tensor cores");
    }

    [Test]
    public void Products_count_whole_tiles_on_the_busiest_multiprocessor()
    {
        // 100 tiles of 128 × 128 are one for each multiprocessor; with one more row, some multiprocessors have two.
        Assert.That(Estimate(Of(new ProductExtent(1, 1280, 1280, 4096))).Bound, Is.EqualTo(RooflineBound.Operations));
        Assert.That(Estimate(Of(new ProductExtent(1, 1281, 1280, 4096))).Bound, Is.EqualTo(RooflineBound.Tiles));

        static StepWork Of(ProductExtent product)
            => new(product.Flops, 1, 1, 1) { Product = product, HasProducts = true };
    }

    private static (double Microseconds, RooflineBound Bound) Estimate(StepWork work)
    {
        RooflineEstimate estimate = RooflineEstimate.Of(work, s_device);
        return (Math.Round(estimate.Seconds * 1e6, 6), estimate.Bound);
    }
}
