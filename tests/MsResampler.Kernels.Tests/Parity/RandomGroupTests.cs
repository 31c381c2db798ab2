using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Random models with random groups of frames on emulated PTX, in every precision, compared with the
/// reference.</summary>
[Parallelizable(ParallelScope.All)]
public class RandomGroupTests
{
    private const int CaseCount = 4;

    [Test]
    public void Random_groups_agree_with_the_reference([Values(Precision.Float32, Precision.TensorFloat32,
        Precision.Float16, Precision.BFloat16)] Precision precision)
    {
        using (Assert.EnterMultipleScope())
        {
            for (int caseIndex = RandomCase.FirstGroupCase; caseIndex < RandomCase.FirstGroupCase + CaseCount;
                caseIndex++)
            {
                RandomCase @case = new(caseIndex);
                using TestModel model = Rounding.Model(@case.Config, @case.Options, precision, (ulong)caseIndex);
                float[][] frames = [.. @case.Grids.Select((grid, frame) =>
                    Rounding.Features(model, precision, grid, caseIndex + frame))];
                int tokenLength = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
                double[][] expected = [.. @case.FrameCounts.Select((_, group) => model.Reference.Resample(
                    [.. frames[@case.FramesOf(group)].SelectMany(values => values)], @case.Grids[@case.FramesOf(group)],
                    @case.TemporalIds[@case.FramesOf(group)]))];
                foreach (bool isHopper in EmulatorDevice.KindsFor(precision))
                {
                    float[] tokens = new float[@case.FrameCounts.Length * tokenLength];
                    using GpuEngine engine = new(EmulatorDevice.WithTensorCores(isHopper, (ulong)caseIndex),
                        EmulatorHost.Compiler, model.Model, new() { Precision = precision });
                    engine.Resample([.. frames.SelectMany(values => values)],
                        new FrameGroups(@case.Grids, @case.TemporalIds, @case.FrameCounts), tokens,
                        CancellationToken.None);
                    for (int group = 0; group < @case.FrameCounts.Length; group++)
                    {
                        Assert.That(Tolerances.RelativeError(tokens.AsSpan(group * tokenLength, tokenLength),
                            expected[group]), Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)),
                            $"group {group} of {@case}, Hopper: {isHopper}");
                    }
                }
            }
        }
    }
}
