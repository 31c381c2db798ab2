using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using MsResampler.Perf.Timing;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>Engines that compute in another way than they would choose.</summary>
public sealed class EngineVariantTests
{
    private static readonly DeviceProperties s_hopper = new("", 90, 132, 0, 0, IsHopper: true);

    [Test]
    public void Every_large_product_has_the_tile_and_the_tokens_have_the_same_bits()
    {
        (float[] expected, _) = Run(isHopper: false, null);
        using (Assert.EnterMultipleScope())
        {
            foreach (string name in (string[])["128x128Wide", "128x128"])
            {
                (float[] tokens, string[] kernels) = Run(isHopper: false, EngineVariant.Of(name));
                string[] large = [.. kernels.Where(kernel => kernel.Contains(" GemmMmaTile128x128"))];
                Assert.That(large, Is.Not.Empty.And.All.Contains($" GemmMmaTile{name} "), name);
                Assert.That(tokens, Is.EqualTo(expected), name);
            }
        }
    }

    [Test]
    public void On_Hopper_every_product_has_the_tile_and_the_tokens_have_the_same_bits()
    {
        (float[] expected, string[] chosen) = Run(isHopper: true, null, gridSize: 9);
        using (Assert.EnterMultipleScope())
        {
            foreach (EngineVariant variant in EngineVariant.All.Where(variant
                => variant.Tile?.Family == GemmFamily.Wgmma))
            {
                (float[] tokens, string[] kernels) = Run(isHopper: true, variant, gridSize: 9);
                string[] products = [.. kernels.Where(IsProduct)];
                Assert.That(products, Has.Length.EqualTo(chosen.Count(IsProduct)).And.Length.GreaterThan(3),
                    variant.Name);
                Assert.That(products, Is.All.Contains($" {variant.Tile!.Tile.Name} "), variant.Name);
                Assert.That(tokens, Is.EqualTo(expected), variant.Name);
            }
        }

        static bool IsProduct(string kernel) => kernel.StartsWith("GemmWgmma ", StringComparison.Ordinal)
            || kernel.StartsWith("GemmMma ", StringComparison.Ordinal);
    }

    [Test]
    public void With_mma_sync_a_Hopper_device_computes_like_any_other_of_its_architecture()
    {
        EngineVariant variant = EngineVariant.Of("128x128");
        (float[] expected, string[] kernels) = Run(isHopper: false, variant, architecture: 90);
        (float[] tokens, string[] ofHopper) = Run(isHopper: true, variant, architecture: 90);

        Assert.That(ofHopper, Is.EqualTo(kernels));
        Assert.That(ofHopper, Has.None.Contains("GemmWgmma").And.Some.Contains(" GemmMmaTile128x128 "));
        Assert.That(tokens, Is.EqualTo(expected));
    }

    [Test]
    public void A_device_has_the_variants_whose_instructions_it_has()
    {
        string[] mma = ["128x128Wide", "128x128"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(EngineVariant.Names, Is.Unique.And.Contains("wgmma128x256").And.Contains("wgmma64x256"));
            Assert.That(On(s_hopper, Precision.BFloat16), Is.EqualTo(EngineVariant.Names));
            Assert.That(On(s_hopper, Precision.TensorFloat32), Is.EqualTo((string[])[.. mma, "ordinary-launches"]));
            Assert.That(On(s_hopper, Precision.Float32), Is.EqualTo((string[])["ordinary-launches"]));
            Assert.That(On(s_hopper with { IsHopper = false }, Precision.Float16), Is.EqualTo(mma));
            Assert.That(On(s_hopper with { IsHopper = false, Architecture = 75 }, Precision.Float16), Is.Empty);
        }

        static string[] On(DeviceProperties device, Precision precision)
            => [.. from variant in EngineVariant.All where variant.RunsOn(device, precision) select variant.Name];
    }

    [Test]
    [NonParallelizable]
    public void Ordinary_launches_are_asked_for_until_the_setting_is_disposed()
    {
        const string Variable = "MSRESAMPLER_CUDA_DEPENDENT_LAUNCH";
        string? before = Environment.GetEnvironmentVariable(Variable);
        using (EngineVariant.OrdinaryLaunches.Apply())
            Assert.That(Environment.GetEnvironmentVariable(Variable), Is.EqualTo("0"));
        Assert.That(Environment.GetEnvironmentVariable(Variable), Is.EqualTo(before));
        using (EngineVariant.Of("128x128").Apply())
            Assert.That(Environment.GetEnvironmentVariable(Variable), Is.EqualTo(before));
    }

    private static (float[] Tokens, string[] Kernels) Run(bool isHopper, EngineVariant? variant, int architecture = 0,
        int gridSize = 24)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(4, 4), Configs.None) with
        {
            VisionHiddenSize = 128,
            HiddenSize = 128,
            AttentionHeadCount = 4,
        };
        using TestModel model = new(config);
        PatchGrid grid = new(gridSize, gridSize);
        EmulatorDevice device = new(architecture: isHopper ? 90 : Math.Max(architecture, 80), isHopper: isHopper);
        using GpuEngine engine = new(new TimedDevice(device, variant, EmulatorHost.Compiler), EmulatorHost.Compiler,
            model.Model, new() { Precision = Precision.Float16 });
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        engine.Resample(model.RandomFeatures(grid, 1), [grid], tokens, CancellationToken.None);
        return (tokens, [.. device.Reports.Select(report => report.Kernel)]);
    }
}
