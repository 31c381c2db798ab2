using MsResampler.Kernels.Forward;
using MsResampler.Reference;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Groups of frames on emulated PTX, compared with the double-precision reference.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class FrameGroupsTests
{
    private const int RandomCaseCount = 24;

    private static readonly Precision[] s_precisions =
        [Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16];

    private static IEnumerable<TestCaseData> Cases()
        => from @case in GroupCase.All
           from precision in s_precisions
           where @case.Config.HeadSize <= 128 || precision is Precision.Float32 or Precision.TensorFloat32
           select new TestCaseData(@case, precision).SetArgDisplayNames(@case.Name, precision.ToString());

    [TestCaseSource(nameof(Cases))]
    public void Groups_agree_with_the_reference(object @case, Precision precision)
        => Check((GroupCase)@case, precision);

    [TestCaseSource(nameof(Cases))]
    public void Maps_of_groups_agree_with_the_reference(object @case, Precision precision)
    {
        var group = (GroupCase)@case;
        using TestModel model = group.Model(precision);
        using GpuEngine engine = Engine(model, precision, seed: 1);
        (PatchGrid[] grids, int[] ids) = (group.Groups[2].Grids, group.Groups[2].TemporalIds);
        float[] features = Features(model, precision, group.Groups[2], 1);
        ReferenceExplanation expected = model.Reference.Explain(features, grids, ids);

        Explanation found = engine.Explain(features, new FrameGroups(grids, ids, [grids.Length]));
        float[] tokens = new float[found.Tokens.Length];
        engine.Resample(features, new FrameGroups(grids, ids, [grids.Length]), tokens, CancellationToken.None);

        // The tokens' bound is that of sums over keys, heads and scopes, in which rounding errors cancel in part. The
        // weights of one head are not summed.
        double bound = 2 * Rounding.ToleranceOf(precision);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found.Tokens.SequenceEqual(tokens), "tokens");
            Assert.That(Tolerances.RelativeError(found.Gate, expected.Gate), Is.LessThanOrEqualTo(bound), "gate");
            for (int scope = 0; scope < model.Model.Config.Scopes.Count; scope++)
            {
                for (int head = 0; head < model.Model.Config.AttentionHeadCount; head++)
                {
                    float[] map = [.. grids.SelectMany((_, frame) => found.Attention(scope, head, frame).ToArray())];
                    double[] expectedMap = [.. grids.SelectMany((_, frame) => expected.Attention(scope, head, frame))];
                    Assert.That(Tolerances.RelativeError(map, expectedMap), Is.LessThanOrEqualTo(bound),
                        $"attention of scope {scope}, head {head}");
                    Assert.That(map.Sum() / model.Model.Config.QueryGrid.QueryCount, Is.EqualTo(1).Within(bound));
                }
            }
        }
    }

    [Test]
    public void Random_groups_agree_with_the_reference([Range(0, RandomCaseCount - 1)] int caseIndex)
    {
        RandomCase random = new(caseIndex);
        Random choices = new(caseIndex);
        Precision precision = s_precisions[caseIndex % s_precisions.Length];
        GroupCase.Group[] groups = [.. Enumerable.Range(0, 3).Select(_ =>
        {
            PatchGrid[] grids = [.. Enumerable.Range(0, choices.Next(1, 4)).Select(_
                => random.IsLarge ? new PatchGrid(9, 8) : random.Grids[choices.Next(random.Grids.Length)])];
            return new GroupCase.Group(grids, [.. grids.Select(_ => choices.Next(-1, 40))]);
        })];
        PositionEmbeddingConfig positions = random.Config.PositionEmbedding;
        bool hasTime = random.Config.HiddenSize % 2 == 0 && choices.Next(2) == 0;
        Check(new GroupCase(random.ToString(), random.Config with
        {
            PositionEmbedding = positions with
            {
                Frames = hasTime ? FrameEmbeddingType.SinCos1D : FrameEmbeddingType.None,
            },
        })
        { Options = random.Options, Groups = groups }, precision);
    }

    [Test]
    public void Groups_agree_with_the_reference_in_GPU_arithmetic(
        [ValueSource(nameof(s_precisions))] Precision precision)
        => Check(GroupCase.All.Single(@case => @case.Name.StartsWith("everything", StringComparison.Ordinal)),
            precision, EmulatorDevice.GpuArithmetic);

    [Test]
    public void Groups_agree_with_the_reference_on_Hopper(
        [Values(Precision.Float16, Precision.BFloat16)] Precision precision)
        => Check(GroupCase.All.Single(@case => @case.Name.StartsWith("everything", StringComparison.Ordinal)),
            precision, isHopper: true);

    /// <summary>An engine keeps its batches, tables and graphs: neither other ids nor other groupings of the same grids
    /// may use what belongs to those before.</summary>
    [Test]
    public void Earlier_calls_with_other_ids_and_groupings_do_not_change_the_bits(
        [ValueSource(nameof(s_precisions))] Precision precision)
    {
        GroupCase @case = GroupCase.All.Single(other => other.Name == "times");
        using TestModel model = @case.Model(precision);
        PatchGrid grid = new(3, 4);
        GroupCase.Group[][] calls =
        [
            [new([grid, grid], [0, 1]), new([grid, grid], [0, 1])],
            [new([grid, grid], [2, 1]), new([grid, grid], [5, 1])],
            [new([grid, grid, grid], [0, 1, 2]), new([grid], [-1])],
            [new([grid], [0]), new([grid, grid, grid], [0, 1, 2])],
            [new([grid], [0]), new([grid], [1]), new([grid], [-1]), new([grid], [2])],
        ];
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
        using (Assert.EnterMultipleScope())
        {
            foreach (int call in new[] { 0, 0, 0, 1, 0, 1, 2, 3, 4, 2, 0, 3, 4, 1, 0 })
            {
                using GpuEngine fresh = Engine(model, precision, seed: 2);
                Assert.That(Run(engine, model, precision, calls[call]),
                    Is.EqualTo(Run(fresh, model, precision, calls[call])), $"{call}");
            }
        }

        int graphs = device.GraphLaunchCount;
        Run(engine, model, precision, calls[1]);
        Assert.That(device.GraphLaunchCount, Is.EqualTo(graphs + 1), "other ids use the graph of the batch");
    }

    /// <summary>The workspace holds a few groups, and the arena a few offsets.</summary>
    [Test]
    public void A_batch_that_is_split_has_the_same_bits()
    {
        GroupCase @case = GroupCase.All.Single(other => other.Name == "times");
        using TestModel model = @case.Model(Precision.Float32);
        GroupCase.Group[] groups = [.. Enumerable.Range(0, 30).Select(index
            => new GroupCase.Group([new(4, 5), new(5, 4), new(4, 4)], [3 * index, (3 * index) + 1, (3 * index) + 2]))];
        EmulatorDevice small = new(memoryBytes: 1 << 20);
        using GpuEngine engine = new(small, EmulatorHost.Compiler, model.Model, new());
        using GpuEngine large = Engine(model, Precision.Float32, seed: 1);

        float[] tokens = Run(engine, model, Precision.Float32, groups);

        Assert.That(tokens, Is.EqualTo(Run(large, model, Precision.Float32, groups)));
        Assert.That(small.Reports.Count(launch => launch.Kernel.StartsWith("MergeFrames", StringComparison.Ordinal)),
            Is.GreaterThan(3));
    }

    [Test]
    public void A_number_outside_the_range_is_reported_with_its_group()
    {
        using TestModel model = GroupCase.All[0].Model(Precision.Float32);
        using GpuEngine engine = Engine(model, Precision.Float32, seed: 1);
        GroupCase.Group[] groups = GroupCase.All[0].Groups;
        int channels = model.Model.Config.VisionHiddenSize;
        float[] features = [.. groups.SelectMany(group => Features(model, Precision.Float32, group, 1))];
        // The last patch of the third group's fourth frame.
        int patch = (int)(groups[..2].Sum(group => group.Grids.Sum(grid => grid.PatchCount))
            + groups[2].Grids[..4].Sum(grid => grid.PatchCount));
        features.AsSpan((patch - 1) * channels, channels).Fill(3e38f);
        FrameGroups all = All(groups);
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[groups.Length * config.QueryGrid.QueryCount * config.OutputSize];
        try
        {
            engine.Resample(features, all, tokens, CancellationToken.None);
            Assert.Fail("expected an exception");
        }
        catch (ActivationOverflowException exception)
        {
            Assert.That(exception.Message, Does.StartWith("group 2 (5 frames, "));
            Assert.That((exception.ImageIndex, exception.Grid), Is.EqualTo((2, groups[2].Grids[0])));
        }
    }

    /// <summary>The multiplications of a narrow window grow with the frames, and do not depend on how many patches the
    /// frames have that it does not see.</summary>
    [Test]
    public void Attention_grows_with_the_patches_that_are_seen(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using TestModel model = new(Configs.Of(Configs.Window(2, 2)) with { QueryGrid = new QueryGrid(4, 4) });
        long two = Multiplications(2, new PatchGrid(8, 8));
        foreach (int frames in new[] { 4, 16, 64 })
            Assert.That(Multiplications(frames, new PatchGrid(8, 8)), Is.EqualTo(frames / 2 * two), $"{frames} frames");

        using TestModel far = new(Configs.Of(Configs.Window(1, 1)) with { QueryGrid = new QueryGrid(1, 1) });
        Assert.That(Multiplications(4, new PatchGrid(16, 16), far),
            Is.EqualTo(Multiplications(4, new PatchGrid(2, 2), far)));

        long Multiplications(int frameCount, PatchGrid grid, TestModel? other = null)
        {
            EmulatorDevice device = new(architecture: 80);
            using GpuEngine engine = new(device, EmulatorHost.Compiler, (other ?? model).Model,
                new() { Precision = precision });
            Run(engine, other ?? model, precision, [new(
                [.. Enumerable.Repeat(grid, frameCount)], [.. Enumerable.Repeat(-1, frameCount)])]);
            LaunchReport report = device.Reports.Single(launch
                => launch.Kernel.StartsWith("ScopeAttention", StringComparison.Ordinal)).Report;
            return report.Count("fma.rn") + report.Count("mma.sync");
        }
    }

    /// <summary>Compares tokens with the reference, and the bits of each group in the batch with those alone.</summary>
    private static void Check(GroupCase @case, Precision precision, EmulatorOptions? arithmetic = null,
        bool isHopper = false)
    {
        using TestModel model = @case.Model(precision);
        GroupCase.Group[] groups = @case.Groups;
        int length = model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;
        using GpuEngine engine = Engine(model, precision, seed: 1, arithmetic, isHopper);
        using GpuEngine other = Engine(model, precision, seed: 2, arithmetic, isHopper);
        float[] tokens = Run(engine, model, precision, groups);
        float[] reversed = Run(other, model, precision, [.. groups.Reverse()], reverses: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(reversed.Chunk(length).Reverse(), Is.EqualTo(tokens.Chunk(length)), "order");
            for (int index = 0; index < groups.Length; index++)
            {
                GroupCase.Group group = groups[index];
                float[] features = Features(model, precision, group, index);
                float[] found = tokens[(index * length)..][..length];
                Assert.That(Tolerances.RelativeError(found,
                    model.Reference.Resample(features, group.Grids, group.TemporalIds)),
                    Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)), $"group {index}, {precision}, {@case}");
                float[] alone = new float[length];
                if (group.Grids.Length == 1)
                    other.Resample(features, group.Grids, alone, CancellationToken.None);
                else
                    other.Resample(features, All([group]), alone, CancellationToken.None);
                Assert.That(alone, Is.EqualTo(found), $"bits of group {index} alone, {precision}, {@case}");
            }
        }
    }

    /// <param name="engine">The engine.</param>
    /// <param name="model">Its model.</param>
    /// <param name="precision">Its precision.</param>
    /// <param name="groups">The groups.</param>
    /// <param name="reverses">Whether the groups have the features of a batch in reverse order.</param>
    private static float[] Run(GpuEngine engine, TestModel model, Precision precision, GroupCase.Group[] groups,
        bool reverses = false)
    {
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[groups.Length * config.QueryGrid.QueryCount * config.OutputSize];
        engine.Resample([.. groups.SelectMany((group, index)
            => Features(model, precision, group, reverses ? groups.Length - 1 - index : index))], All(groups), tokens,
            CancellationToken.None);
        return tokens;
    }

    private static FrameGroups All(GroupCase.Group[] groups) => new(groups.SelectMany(group => group.Grids).ToArray(),
        groups.SelectMany(group => group.TemporalIds).ToArray(), groups.Select(group => group.Grids.Length).ToArray());

    private static float[] Features(TestModel model, Precision precision, GroupCase.Group group, int seed)
        => [.. group.Grids.SelectMany((grid, frame)
            => Rounding.Features(model, precision, grid, (100 * seed) + frame))];

    private static GpuEngine Engine(TestModel model, Precision precision, int seed, EmulatorOptions? arithmetic = null,
        bool isHopper = false)
        => new(EmulatorDevice.WithTensorCores(isHopper, (ulong)seed, arithmetic), EmulatorHost.Compiler, model.Model,
            new() { Precision = precision });
}
