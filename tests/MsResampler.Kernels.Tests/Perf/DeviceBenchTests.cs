using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Tiles;
using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Timing;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>Measurements of whole models on the emulator, with a clock on which every launch takes one
/// millisecond.</summary>
public sealed class DeviceBenchTests
{
    private const long CopyBytes = 1 << 14;

    [Test]
    public void All_figures_follow_from_the_clock([Values(1, 3)] int batch)
    {
        ResamplerConfig config = Configs.Mixed;
        using TestModel model = new(config);
        PatchGrid[] grids = [.. Enumerable.Repeat(new PatchGrid(4, 5), batch)];
        float[] features = [.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))];
        float[] tokens = new float[batch * config.QueryGrid.QueryCount * config.OutputSize];
        bool isChecked = false;
        DeviceBench bench = new(Open, new KernelCompiler(),
            new BenchEffort(TimeSpan.Zero) { CopyBytes = CopyBytes, BusySteps = 1, ProductSteps = 1 });

        ModelFigures figures = bench.Measure(model.Model, new ResamplerOptions { Precision = Precision.Float32 },
            features, grids, tokens, () => isChecked = tokens.Any(token => token != 0));

        string[] steps =
        [
            "kv_proj", "ln_kv", "k_proj", "v_proj", "attention", "out_proj", "gate fc1", "fusion gate", "proj",
        ];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(isChecked);
            Assert.That(bench.Ceilings.CopyBytesPerSecond, Is.EqualTo(2 * CopyBytes * 1e3).Within(1).Percent);
            Assert.That(bench.Ceilings.Launches.Plain, Is.EqualTo(1000).Within(1e-6), "µs of a launch");
            Assert.That(bench.Ceilings.Launches.Graph, Is.EqualTo(5).Within(1e-6), "a graph of 200 takes 1 ms");
            Assert.That(bench.Ceilings.Launches.Measured, Is.EqualTo(1000).Within(1e-6));
            Assert.That(bench.Ceilings.Float16Flops, Is.Positive);
            Assert.That((bench.Ceilings.WarpgroupFloat16Flops, bench.Ceilings.WarpgroupBFloat16Flops,
                bench.Ceilings.Launches.OrdinaryGraph), Is.EqualTo(((double?)null, (double?)null, (double?)null)));
            Assert.That(figures.Launches.Select(launch => launch.Step), Is.EqualTo(steps));
            Assert.That(figures.Launches.Select(launch => launch.Milliseconds), Is.All.EqualTo(1));
            Assert.That(figures.Launches.Sum(launch => launch.TimeShare), Is.EqualTo(1).Within(1e-9));
            Assert.That(figures.LaunchMilliseconds, Is.EqualTo(steps.Length));
            Assert.That(figures.Warm.Median, Is.LessThanOrEqualTo(steps.Length));
            Assert.That(figures.Cold.Median, Is.EqualTo(figures.Warm.Median), "the prelude does not count");
            Assert.That(figures.Gflop, Is.Positive);
            LaunchFigures keys = figures.Launches[2];
            Assert.That(keys.Gflop, Is.EqualTo(2e-9 * batch * 20 * 3 * 36 * 36).Within(1e-9).Percent);
            Assert.That(keys.Tflops, Is.EqualTo(keys.Gflop));
            Assert.That(keys.CopyShare, Is.EqualTo(keys.Megabytes * 1e9 / bench.Ceilings.CopyBytesPerSecond)
                .Within(1e-9).Percent);
        }
    }

    [Test]
    public void Figures_sum_over_the_passes_of_a_call_and_count_weights_per_pass()
    {
        (string, StepWork)[] steps =
        [
            ("first", new(Flops: 4e9, ConstantBytes: 1e6, ReadBytes: 2e6, WrittenBytes: 3e6) { HasProducts = true }),
            ("second", new(Flops: 1e9, ConstantBytes: 0, ReadBytes: 1e6, WrittenBytes: 0)),
        ];
        DeviceCeilings ceilings = new(8e12, null, null, 10e9, new LaunchCosts(1, 2, 3, 4, 5));
        TimedLaunch[] launches = [.. new[] { ("a", 1.0), ("b", 0.5), ("a", 3.0), ("b", 0.5) }
            .Select(launch => new TimedLaunch(launch.Item1, new LaunchSize(1, 1, 32), launch.Item2))];

        IReadOnlyList<LaunchFigures> figures = LaunchFigures.Of(launches, steps, ceilings, Precision.Float16);
        IReadOnlyList<LaunchFigures> others = LaunchFigures.Of(launches[..3], steps, ceilings, Precision.Float16);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(figures[0], Is.EqualTo(new LaunchFigures("first", "a", 2, 4, 0.8, 4, 7, 1e12 / 8e12,
                7e6 / 4e-3 / 10e9)));
            Assert.That(figures[1], Is.EqualTo(new LaunchFigures("second", "b", 2, 1, 0.2, 1, 1, null, 0.1)));
            Assert.That(others, Is.EqualTo(new[]
            {
                new LaunchFigures("a", "a", 2, 4, 4 / 4.5, null, null, null, null),
                new LaunchFigures("b", "b", 1, 0.5, 0.5 / 4.5, null, null, null, null),
            }), "launches that do not match the expected steps");
        }
    }

    [Test]
    public void On_Hopper_the_limits_of_products_are_those_of_the_instruction_that_a_kernel_uses()
    {
        DeviceBench bench = new(() => Open(isHopper: true), new KernelCompiler(),
            new BenchEffort(TimeSpan.Zero) { CopyBytes = CopyBytes, BusySteps = 1, ProductSteps = 1 });
        KernelVariant product = KernelLibrary.All.First(variant => variant.IsWritten);
        StepWork work = new(Flops: 4e9, 0, 0, 1) { HasProducts = true };
        (string, StepWork)[] steps = [("product", work), ("attention", work)];
        TimedLaunch[] launches = [new(product.Name, default, 1), new("attention", default, 1)];
        DeviceCeilings ceilings = new(8e12, null, null, 10e9, new LaunchCosts(1, 2, 3, 4, 5))
        {
            WarpgroupFloat16Flops = 16e12,
        };

        using (Assert.EnterMultipleScope())
        {
            // One block on the multiprocessor, one step in a millisecond.
            Assert.That(bench.Ceilings.WarpgroupFloat16Flops,
                Is.EqualTo(WgmmaCeiling<MmaFloat16>.FlopsPerStep * 1e3).Within(1e-6).Percent);
            Assert.That(bench.Ceilings.WarpgroupBFloat16Flops, Is.EqualTo(bench.Ceilings.WarpgroupFloat16Flops));
            Assert.That(bench.Ceilings.Launches.OrdinaryGraph, Is.EqualTo(5).Within(1e-6), "a graph of 200 takes 1 ms");
            Assert.That(LaunchFigures.Of(launches, steps, ceilings, Precision.Float16)
                .Select(figures => figures.ProductShare), Is.EqualTo(new double?[] { 0.25, 0.5 }));
        }
    }

    private static ClockedDevice Open() => Open(isHopper: false);

    private static ClockedDevice Open(bool isHopper)
    {
        EmulatorDevice device = new(architecture: isHopper ? 90 : 80, isHopper: isHopper);
        return new ClockedDevice(device)
        {
            Properties = device.Properties with { MultiprocessorCount = 1 },
        };
    }
}
