using MsResampler.Cpu;
using MsResampler.Reference;

namespace MsResampler.Training.Tests;

/// <summary>Tokens of the trainer against the double-precision reference.</summary>
internal sealed class ForwardTests
{
    private const int CaseCount = 64;

    [Test]
    public void Tokens_agree_with_the_reference([Range(0, CaseCount - 1)] int index, [Values] bool isGrouped)
    {
        RandomCase drawn = new(isGrouped ? RandomCase.FirstGroupCase + index : index);
        using TestModel model = new(drawn.Config, drawn.Options, seed: (ulong)index + 1);
        CpuVariant[] variants = [.. CpuVariant.All.Where(variant => variant.IsSupported)];
        using ResamplerTrainer trainer = new(TrainableModel.From(model.Model), new TrainerOptions
        {
            ThreadCount = 3,
            ProcessorCount = 3,
            Absorbs = index / variants.Length % 2 == 1,
            Variant = variants[index % variants.Length],
        });
        float[] features = [.. drawn.Grids.SelectMany((grid, frame) => model.RandomFeatures(grid, frame))];
        FrameGroups groups = isGrouped ? new FrameGroups(drawn.Grids, drawn.TemporalIds, drawn.FrameCounts)
            : new FrameGroups(drawn.Grids);
        int length = drawn.Config.QueryGrid.QueryCount * drawn.Config.OutputSize;
        float[] tokens = new float[groups.GroupCount * length];
        trainer.Forward(features, groups, tokens);

        ReferenceResampler reference = model.Reference;
        int first = 0;
        for (int group = 0; group < groups.GroupCount; group++)
        {
            Range frames = isGrouped ? drawn.FramesOf(group) : group..(group + 1);
            PatchGrid[] grids = drawn.Grids[frames];
            int count = (int)grids.Sum(grid => grid.PatchCount) * drawn.Config.VisionHiddenSize;
            double[] expected = reference.Resample(features.AsSpan(first, count), grids,
                isGrouped ? drawn.TemporalIds[frames] : [-1]);
            double error = Tolerances.RelativeError(tokens.AsSpan(group * length, length), expected);
            Assert.That(error, Is.LessThan(Tolerances.SinglePrecision), $"group {group} of {drawn}");
            first += count;
        }
    }
}
