using MsResampler.Kernels.Forward;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>The expected work of each launch, compared with the work that the emulator counts.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ForwardStepsTests
{
    private static readonly PatchGrid s_grid = new(9, 10);

    private static readonly ResamplerConfig[] s_models =
    [
        Configs.Mixed,
        Configs.Mixed with { ShareKeyValues = true },
        Configs.Mixed with
        {
            PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
            Gate = new GateConfig(9, GateGranularity.Token),
        },
        Configs.Of(Configs.None),
    ];

    [Test]
    public void Launches_write_and_multiply_as_much_as_expected([Range(0, 3)] int index,
        [Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)] Precision precision,
        [Values(1, 3)] int frameCount, [Values] bool isHopper)
    {
        const int GroupCount = 2;
        ResamplerConfig config = s_models[index];
        using TestModel model = new(config);
        EmulatorDevice device = new(architecture: isHopper ? 90 : 80, isHopper: isHopper);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model,
            new ResamplerOptions { Precision = precision });
        FrameGroups groups = new([.. Enumerable.Repeat(s_grid, GroupCount * frameCount)],
            [.. Enumerable.Repeat(-1, GroupCount * frameCount)], [frameCount, frameCount]);
        float[] features = [.. Enumerable.Range(0, GroupCount * frameCount).SelectMany(frame
            => model.RandomFeatures(s_grid, frame))];
        float[] tokens = new float[GroupCount * config.QueryGrid.QueryCount * config.OutputSize];
        engine.Resample(features, groups, tokens, CancellationToken.None);
        int before = device.Reports.Count;

        engine.Resample(features, groups, tokens, CancellationToken.None);

        (string Kernel, LaunchReport Report)[] launches = [.. device.Reports.Skip(before)];
        bool isHalf = precision is Precision.Float16 or Precision.BFloat16;
        IReadOnlyList<ForwardStep> steps = ForwardSteps.Describe(config, hasKeyValueInput: true, s_grid, GroupCount,
            precision, device.Properties, frameCount);
        Assert.That(launches, Has.Length.EqualTo(steps.Count));
        using (Assert.EnterMultipleScope())
        {
            foreach ((ForwardStep step, (string kernel, LaunchReport report)) in steps.Zip(launches))
            {
                StepWork work = step.CountWork();
                Assert.That(step.Launch.Kernel.Name, Is.EqualTo(kernel), step.Name);
                // The float32 gate stores partial sums in its result, so it writes some values more than once.
                Assert.That(work.WrittenBytes, step.Name == "fusion gate" && !isHalf
                    ? Is.LessThanOrEqualTo(report.GlobalStoreBytes)
                    : Is.EqualTo(report.GlobalStoreBytes), $"{step.Name}: {kernel}");
                if (work.HasProducts)
                    Assert.That(work.Flops, Is.LessThanOrEqualTo(report.Flops), $"{step.Name}: {kernel}");
                if (work.Product is { } product)
                    Assert.That(work.Flops, Is.EqualTo(product.Flops), $"{step.Name}: {kernel}");
            }
        }
    }
}
