using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using MsResampler.Perf.Models;
using MsResampler.Perf.Roofline;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The static roofline.</summary>
public sealed class RooflineTests
{
    /// <summary>Round numbers: 100 TFLOP/s, 1 TB/s, a cache of 40 MB that is never too slow.</summary>
    private static readonly RooflineDevice s_device = new("round", 80, 100, 100, 1, 10, 1000, 40, ClockGHz: 1000, "");

    /// <summary>The same with products by warpgroups; mma.sync reaches half of the rate.</summary>
    private static readonly RooflineDevice s_hopper = s_device with { Architecture = 90, MmaShare = 0.5 };

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

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Estimate(streaming), Is.EqualTo((33 + 1.5, RooflineBound.Memory)), "everything from memory");
            Assert.That(Estimate(cached), Is.EqualTo((3 + 1.5, RooflineBound.Memory)), "activations from the cache");
            Assert.That(Estimate(tiny), Is.EqualTo((0.1 + 1.5, RooflineBound.Launch)));
            Assert.That(Estimate(tiny, s_hopper), Is.EqualTo((0.1 + 1, RooflineBound.Launch)));
            Assert.That(Estimate(vector), Is.EqualTo((100 + 1.5, RooflineBound.Operations)), "outside tensor cores");
        }
    }

    [Test]
    public void Products_count_whole_tiles_on_the_busiest_multiprocessor()
    {
        // 100 tiles of 128 × 128 are one for each multiprocessor; with one more row, some multiprocessors have two.
        Assert.That(Estimate(Of(new ProductExtent(1, 1280, 1280, 4096))).Bound, Is.EqualTo(RooflineBound.Operations));
        Assert.That(Estimate(Of(new ProductExtent(1, 1281, 1280, 4096))).Bound, Is.EqualTo(RooflineBound.Tiles));
    }

    [Test]
    public void On_Hopper_products_have_the_full_rate_and_attention_that_of_mma_sync()
    {
        GemmShape tile = GemmShape.Wgmma.First(shape => (shape.Rows, shape.Columns) == (128, 128));
        ProductExtent product = new(1, 1280, 1280, 4096);
        StepWork attention = new(1e10, 1, 1, 1) { HasProducts = true };

        // 1e10 operations at 50 TFLOP/s; 100 tiles of 128 × 128, one for each multiprocessor, at 100 TFLOP/s.
        Assert.That(Estimate(attention, s_hopper), Is.EqualTo((200 + 1, RooflineBound.Operations)));
        Assert.That(new RooflineEstimate(s_hopper, Of(product), tile).Operations,
            Is.EqualTo(2.0 * 1280 * 1280 * 4096 / 100e12).Within(1e-9).Percent);
    }

    [Test]
    public void Tiles_read_their_rows_and_columns_from_the_second_level_cache_slice_by_slice()
    {
        GemmShape tile = GemmShape.Wgmma.First(shape => (shape.Rows, shape.Columns) == (128, 256));
        RooflineDevice slow = s_hopper with { ClockGHz = 1, TensorTflops = 1000 };
        // 2 products of 10 × 5 tiles with 64 slices of 64 elements, of which the last one is half empty.
        RooflineEstimate estimate = new(slow, Of(new ProductExtent(2, 1280, 1280, 4064)), tile);

        const double Bytes = 2.0 * 10 * 5 * 64 * (128 + 256) * 128;
        double seconds = Bytes / slow.CacheBytesPerSecond(GemmFamily.Wgmma);
        Assert.That(estimate.Cache, Is.EqualTo(seconds).Within(1e-9).Percent);
        Assert.That(estimate.Bound, Is.EqualTo(RooflineBound.Cache));
        Assert.That(estimate.Seconds, Is.EqualTo(seconds + 1e-6).Within(1e-9).Percent);
    }

    [Test]
    public void Each_device_has_its_own_tiles_and_the_same_work()
    {
        RooflineCase item = new(PeerShape.All[0], 64);
        using (Assert.EnterMultipleScope())
        {
            foreach (RooflineDevice device in RooflineDevice.All)
            {
                GemmShape[] tiles = [.. item.On(device).Select(estimate => estimate.Shape).OfType<GemmShape>()];
                Assert.That(tiles, Has.Length.EqualTo(item.Work.Count(work => work.Product is not null)), device.Name);
                Assert.That(tiles.Select(tile => tile.Family), Is.All.EqualTo(device.Architecture == 90
                    ? GemmFamily.Wgmma : GemmFamily.Mma), device.Name);
                Assert.That(item.On(device).Select(estimate => estimate.Work), Is.EqualTo(item.Work), device.Name);
            }

            Assert.That(RooflineDevice.Hopper.Select(device => device.Name),
                Is.EqualTo(new[] { "H100 SXM", "H200 SXM" }));
        }
    }

    [Test]
    public void Attention_gains_what_its_products_take_beyond_its_memory_traffic()
    {
        RooflineCase item = new(PeerShape.All[2] with { ShareKeyValues = true }, 64);
        RooflineDevice device = RooflineDevice.Hopper[1];
        AttentionGain gain = AttentionGain.Of(item, device);
        double total = item.On(device).Sum(estimate => Math.Max(estimate.Operations, estimate.Memory) + 1e-6);
        StepWork work = item.Work.ElementAt(item.Names.ToList().IndexOf("attention"));
        double operations = work.Flops / (0.6 * 989.5e12);
        // Neither its reads nor its writes fit in half of the cache.
        double memory = work.Bytes / 4800e9;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(operations, Is.GreaterThan(memory).And.LessThan(memory / 0.3), "or the shape is no example");
            Assert.That(gain.Seconds, Is.EqualTo(total).Within(1e-6).Percent);
            Assert.That(gain.Estimate.Bound, Is.EqualTo(RooflineBound.Operations));
            Assert.That(gain.Share, Is.EqualTo((operations + 1e-6) / total).Within(1e-6).Percent);
            Assert.That(gain.Wgmma, Is.EqualTo((operations - Math.Max(0.6 * operations, memory)) / total)
                .Within(1e-6).Percent);
            Assert.That(gain.Free, Is.EqualTo((operations - memory) / total).Within(1e-6).Percent);
        }
    }

    private static StepWork Of(ProductExtent product)
        => new(product.Flops, 1, 1, 1) { Product = product, HasProducts = true };

    private static (double Microseconds, RooflineBound Bound) Estimate(StepWork work, RooflineDevice? device = null)
    {
        device ??= s_device;
        RooflineEstimate estimate = new(device, work, work.Product is { } product
            ? GemmShape.For(product, sizeof(ushort), device.Properties) : null);
        return (Math.Round(estimate.Seconds * 1e6, 6), estimate.Bound);
    }
}
