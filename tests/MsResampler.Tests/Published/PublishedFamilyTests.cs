using MsResampler.Reference;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Published;

/// <summary>Small checkpoints of every published family, loaded as they are, compared with <see
/// cref="PublishedGraph"/>.</summary>
[Parallelizable(ParallelScope.All)]
public class PublishedFamilyTests
{
    private const int ChannelCount = 37;
    private const int OutputSize = 29;

    // The grid of the stored tables, and others.
    private static readonly PatchGrid[] s_grids = [new(3, 3), new(5, 4), new(1, 7), new(6, 1), new(2, 9)];

    private static readonly TestCaseData<string, Mistake>[] s_mistakes =
    [
        new("MiniCPM-V 2.0", Mistake.QuerySinesOnGrid),
        new("MiniCPM-V 2.0", Mistake.NoQueryPositions),
        new("MiniCPM-V 2.6", Mistake.HeadCountOfConfig),
        new("MiniCPM-V 2.6", Mistake.TransposedProjection),
        new("MiniCPM-V 2.6", Mistake.PositionsOnValues),
        new("MiniCPM-V 2.6", Mistake.RowsFirst),
        new("Qwen-VL", Mistake.PositionsOnValues),
        new("MiniCPM-V 4.5", Mistake.NoTime),
        new("MiniCPM-V 4.5", Mistake.SoftmaxPerFrame),
    ];

    private static IEnumerable<string> Families => PublishedFamily.All.Select(family => family.Name);

    /// <summary>ONNX Runtime resizes tables in float32, everything else is in double precision.</summary>
    [Test]
    public void A_downloaded_folder_gives_the_tokens_of_the_published_code([ValueSource(nameof(Families))] string name,
        [Values(ChannelCount, PublishedCheckpoint.Width)] int channelCount)
    {
        PublishedFamily family = Find(name);
        TensorType type = channelCount == ChannelCount ? TensorType.F32 : TensorType.BF16;
        using PublishedCheckpoint checkpoint = new(family, channelCount, OutputSize, type);
        using ResamplerModel model = ResamplerModel.Open(checkpoint.Folder);
        ReferenceResampler reference = ReferenceResampler.Load(model);
        using Resampler resampler = Resampler.Load(checkpoint.Folder);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.Layout.Name, Is.EqualTo(family.Layout));
            foreach (PatchGrid grid in s_grids)
            {
                float[] features = Features(channelCount, grid);
                double[] expected = PublishedGraph.Tokens(family, checkpoint, features, [grid], [-1]);
                Assert.That(Tolerances.RelativeError(reference.Resample(features, grid), expected),
                    Is.LessThanOrEqualTo(family.StoresKeyPositions ? Tolerances.SinglePrecision
                        : Tolerances.DoublePrecision), $"reference, {grid}");
                float[] tokens = new float[expected.Length];
                resampler.Resample(features, [grid], tokens);
                Assert.That(Tolerances.RelativeError(tokens, expected), Is.LessThanOrEqualTo(
                    Tolerances.SinglePrecision), $"engine, {grid}");
            }
        }
    }

    /// <summary>Frames of equal and of unequal sizes, with and without times.</summary>
    [Test]
    public void A_group_of_frames_has_one_softmax_and_times_on_keys()
    {
        PublishedFamily family = Find("MiniCPM-V 4.5");
        using PublishedCheckpoint checkpoint = new(family, ChannelCount, OutputSize, TensorType.F32);
        using ResamplerModel model = ResamplerModel.Open(checkpoint.Folder);
        ReferenceResampler reference = ReferenceResampler.Load(model);
        using Resampler resampler = Resampler.Load(checkpoint.Folder);
        using (Assert.EnterMultipleScope())
        {
            foreach ((PatchGrid[] grids, int[] times) in Groups)
            {
                float[] features = Features(ChannelCount, grids);
                double[] expected = PublishedGraph.Tokens(family, checkpoint, features, grids, times);
                // The angle t·ω is rounded, to 2⁻⁵² of its size.
                double bound = Tolerances.DoublePrecision + (Math.Max(0, times.Max()) * Math.Pow(2, -52));
                Assert.That(Tolerances.RelativeError(reference.Resample(features, grids, times), expected),
                    Is.LessThanOrEqualTo(bound), $"reference, {string.Join(", ", times)}");
                float[] tokens = new float[expected.Length];
                resampler.Resample(features, new FrameGroups(grids, times, [grids.Length]), tokens);
                Assert.That(Tolerances.RelativeError(tokens, expected), Is.LessThanOrEqualTo(
                    Tolerances.SinglePrecision), $"engine, {string.Join(", ", times)}");
            }
        }
    }

    /// <summary>The comparison above sees each of the usual mistakes: it changes the tokens far more than the
    /// bounds.</summary>
    [TestCaseSource(nameof(s_mistakes))]
    public void A_usual_mistake_changes_the_tokens(string name, object mistake)
    {
        PublishedFamily family = Find(name);
        using PublishedCheckpoint checkpoint = new(family, ChannelCount, PublishedCheckpoint.Width, TensorType.F32);
        (PatchGrid[] grids, int[] times) = family.HasTime ? Groups[0] : ([new PatchGrid(5, 4)], [-1]);
        float[] features = Features(ChannelCount, grids);
        double[] right = PublishedGraph.Tokens(family, checkpoint, features, grids, times);
        double[] wrong = PublishedGraph.Tokens(family, checkpoint, features, grids, times, (Mistake)mistake);
        Assert.That(Tolerances.RelativeError(wrong, right), Is.GreaterThan(0.03));
    }

    private static (PatchGrid[] Grids, int[] Times)[] Groups { get; } =
    [
        ([new(4, 5), new(3, 6), new(2, 2)], [0, 7, 600]),
        ([new(4, 5), new(4, 5)], [3, 3]),
        ([new(2, 3), new(2, 3), new(1, 7), new(5, 2), new(3, 3), new(1, 1)], [-1, 0, 1, -1, 72_000, 5]),
        ([new(4, 5)], [12]),
        ([new(4, 5), new(5, 4)], [-1, -1]),
    ];

    private static PublishedFamily Find(string name) => PublishedFamily.All.Single(family => family.Name == name);

    private static float[] Features(int channelCount, params PatchGrid[] grids)
    {
        Random random = new(grids.Length);
        return [.. Enumerable.Range(0, (int)grids.Sum(grid => grid.PatchCount) * channelCount)
            .Select(_ => (random.NextSingle() * 4) - 2)];
    }
}
