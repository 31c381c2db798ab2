using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>Whole models on a device of sm_90 with all its features.</summary>
[Parallelizable(ParallelScope.All)]
public class HopperTests
{
    private static readonly PatchGrid[] s_grids = [new(3, 4), new(2, 5)];

    /// <summary>The emulator reports a kernel of a graph that reads or writes before it has waited for the one before
    /// it.</summary>
    [Test]
    public void All_kernels_of_a_pass_but_the_first_are_dependent_and_wait(
        [Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)]
        Precision precision, [Values] bool hasFrames)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(2, 2), Configs.None);
        using TestModel model = new(config);
        EmulatorDevice device = new(architecture: 90, isHopper: true);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
        float[] features = [.. s_grids.SelectMany((grid, index) => model.RandomFeatures(grid, index))];
        float[] expected = Run();
        Assert.That(device.DependentLaunchCount, Is.Zero, "the first call launches kernels one by one");
        Run();
        for (int call = 2; call < 4; call++)
        {
            (int launches, int dependent) = (device.Reports.Count, device.DependentLaunchCount);
            Assert.That(Run(), Is.EqualTo(expected), $"call {call}");
            launches = device.Reports.Count - launches;
            Assert.That(launches, Is.GreaterThan(5));
            Assert.That(device.DependentLaunchCount - dependent, Is.EqualTo(launches - 1));
        }

        float[] Run()
        {
            FrameGroups groups = hasFrames ? new(s_grids, [0, 1], [2]) : new(s_grids);
            float[] tokens = new float[groups.GroupCount * config.QueryGrid.QueryCount * config.OutputSize];
            engine.Resample(features, groups, tokens, default, CancellationToken.None);
            return tokens;
        }
    }
}
