using System.Text.RegularExpressions;
using MsResampler.Cli.Engines;
using MsResampler.Cli.Input;
using MsResampler.Reference;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

/// <summary>The option <c>--temporal-ids</c> of <c>run</c>. The reference computes the tokens.</summary>
internal sealed partial class RunGroupsTests : CliFixture
{
    private static readonly TestCaseData<string, string>[] s_badIds =
    [
        new(" ", "expected lists of ids in JSON, such as [[-1],[2,6,9]], found ''"),
        new("[[1]", "expected lists of ids in JSON"),
        new("[[1],]", "expected lists of ids in JSON"),
        new("[[01]]", "expected lists of ids in JSON"),
        new("[[1]] x", "expected lists of ids in JSON"),
        new("{}", "expected a list for each group, such as [[-1],[2,6,9]], found {}"),
        new("[]", "expected a list for each group"),
        new("[1,2]", "expected a list for each group, such as [[2,6,9]] for one group, found [1,2]"),
        new("[[1],[]]", "list 1: expected a list with an id for each frame, such as [2,6,9], found []"),
        new("[[1],[2,-2]]", "list 1, id 1: expected a whole number from 0 to 2147483647, or -1 for a frame without a " +
            "time, found -2"),
        new("[[1.5]]", "list 0, id 0: expected a whole number from 0 to 2147483647"),
        new("[[1e2]]", "found 1e2"),
        new("[[2147483648]]", "found 2147483648"),
        new("[[\"1\"]]", "found \"1\""),
        new("[[null]]", "found null"),
        new("[[[1]]]", "found [1]"),
    ];

    /// <summary>Frames of different sizes, in three files.</summary>
    private static readonly PatchGrid[] s_grids = [new(2, 3), new(2, 3), new(4, 1), new(1, 1), new(3, 3)];

    private string TimedModel => In("timed");

    [OneTimeSetUp]
    public void CreateTimedModel()
    {
        File.WriteAllText(In("timed.json"), Config.Replace(
            "{ \"type\": \"sincos2d\", \"keys\": true, \"queries\": false }",
            "{ \"keys\": \"sincos2d\", \"queries\": \"sincos2d\", \"frames\": \"sincos1d\" }",
            StringComparison.Ordinal));
        CliRun.Of("init", "--config", In("timed.json"), "--out", TimedModel).Succeeds();
    }

    [Test]
    public void Each_list_takes_the_next_frames_and_gives_one_output([Values("npy", "safetensors")] string extension)
    {
        float[][] frames = Frames(s_grids);
        string[] files = WriteFrames(frames);
        string output = In($"groups.{extension}");
        string text = Run(output, files, "[[-1],[2,600],[0,7]]").Succeeds().Output;

        float[] expected = [.. Expected(TimedModel, frames[..1], s_grids[..1], [-1]),
            .. Expected(TimedModel, frames[1..3], s_grids[1..3], [2, 600]),
            .. Expected(TimedModel, frames[3..], s_grids[3..], [0, 7])];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ReadAny(output, out long[] shape), Is.EqualTo(expected));
            Assert.That(shape, Is.EqualTo(new long[] { 3, QueryCount, TokenSize }));
            Assert.That(text, Does.StartWith("3 groups, 5 frames, 3x3, 2x3, 4x1 and 1x1 patches -> tokens [3, 6, 5]"));
        }
    }

    [Test]
    public void Lists_of_one_frame_give_the_tokens_of_the_images()
    {
        string[] files = WriteFrames(Frames(s_grids));
        Run(In("single.safetensors"), files, "[[0],[-1],[5],[6],[7]]").Succeeds();
        CliRun.Of(["run", "--model", TimedModel, "--features", .. files, "--backend", "cpu", "--out",
            In("images.safetensors")]).Succeeds();
        float[] images = ReadTokens(In("images.safetensors"), out _);
        // 3e-6 relative to the norm of the vector; a single value may have the whole error.
        double norm = Math.Sqrt(images.Sum(value => (double)value * value));
        Assert.That(ReadTokens(In("single.safetensors"), out _), Is.EqualTo(images).Within(3e-6 * norm));
    }

    /// <summary>More frames than fit in memory at once: no group is split, and each has its own frames.</summary>
    [Test]
    public void Groups_of_a_long_run_have_the_same_tokens_as_alone()
    {
        int[] counts = [30, 30, 5, 70, 1, 63, 1, 2];
        PatchGrid[] grids = [.. Enumerable.Range(0, counts.Sum()).Select(index => new PatchGrid(1 + (index % 2), 2))];
        float[][] frames = Frames(grids);
        string file = WriteFeatures("long.safetensors", [.. grids.Select((grid, index) =>
            ($"features.{index}", new long[] { 1, grid.Rows, grid.Columns, ChannelCount }, frames[index]))]);
        int[] ids = [.. Enumerable.Range(0, grids.Length).Select(index => (index * 7) - 1)];
        List<float> expected = [];
        List<string> lists = [];
        for (int group = 0, first = 0; group < counts.Length; first += counts[group++])
        {
            Range range = first..(first + counts[group]);
            expected.AddRange(Expected(TimedModel, frames[range], grids[range], ids[range]));
            lists.Add($"[{string.Join(',', ids[range])}]");
        }

        string text = Run(In("long-groups.npy"), [file], $"[{string.Join(',', lists)}]").Succeeds().Output;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ReadAny(In("long-groups.npy"), out _), Is.EqualTo(expected));
            Assert.That(Rate().Replace(text, ""), Does.StartWith("groups: 2 of 8\ngroups: 3 of 8\ngroups: 4 of 8\n" +
                "groups: 6 of 8\ngroups: 8 of 8\n8 groups, 202 frames"));
        }
    }

    [Test]
    public void Pictures_can_be_frames()
    {
        string[] pictures = [.. Enumerable.Range(0, 3).Select(index => WritePicture($"frame{index}.png", 6, 4,
            (x, y) => new SKColor((byte)(40 * x), (byte)(60 * y), (byte)(80 * index))))];
        CliRun.Of(["run", "--model", TimedModel, "--image", .. pictures, "--patch", "2", "--size", "4x6", "--out",
            In("pictures.npy"), "--temporal-ids", "[[0,1,2]]", "--backend", "reference"]).Succeeds();
        ReadAny(In("pictures.npy"), out long[] shape);
        Assert.That(shape, Is.EqualTo(new long[] { 1, QueryCount, TokenSize }));
    }

    [TestCase("[[1,2],[3,4]]", "the lists take 4 frames, but the input has 5")]
    [TestCase("[[1]]", "the lists take 1 frame, but the input has 5")]
    [TestCase("[[1,2,3],[4,5,6]]", "the lists take 6 frames, but the input has 5")]
    public void Numbers_that_do_not_match_are_both_named(string ids, string cause)
        => Run(In("none.npy"), WriteFrames(Frames(s_grids)), ids).FailsNaming("--temporal-ids", cause);

    [TestCaseSource(nameof(s_badIds))]
    public void Invalid_ids_are_one_error(string ids, string cause)
        => Run(In("none.npy"), WriteFrames(Frames(s_grids)), ids).FailsNaming("--temporal-ids: ", cause);

    [Test]
    public void A_long_invalid_value_is_shortened()
    {
        string error = Run(In("none.npy"), WriteFrames(Frames(s_grids)), new string('[', 100_000)).Error;
        Assert.That(error, Has.Length.LessThan(250));
    }

    [Test]
    public void A_model_without_positions_in_time_says_that_ids_have_no_effect()
    {
        string[] files = WriteFrames(Frames(s_grids));
        CliRun Of(string ids) => CliRun.Of(["run", "--model", Model, "--features", .. files, "--out",
            In("untimed.npy"), "--temporal-ids", ids, "--backend", "reference"]);

        string warning = Of("[[1,2,3],[4,5]]").Error;
        float[] withIds = ReadAny(In("untimed.npy"), out _);
        Of("[[-1,-1,-1],[-1,-1]]").Succeeds();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(warning, Does.Contain("no positions in time"));
            Assert.That(ReadAny(In("untimed.npy"), out _), Is.EqualTo(withIds));
        }
    }

    [Test]
    public void A_non_finite_feature_is_named_by_file_group_frame_and_position()
    {
        float[][] frames = Frames(s_grids);
        frames[4][(((2 * 3) + 1) * ChannelCount) + 5] = float.NaN;
        Run(In("nan.npy"), WriteFrames(frames), "[[1],[2,3],[4,5]]").FailsNaming("last.safetensors",
            "'features.1' (group 2, frame 1)", "row 2, column 1, channel 5", "NaN");
        Assert.That(File.Exists(In("nan.npy")), Is.False);
    }

    [Test]
    public void An_overflowing_group_is_named_by_its_frames()
    {
        float[][] frames = Frames(s_grids);
        string large = In("large-model");
        CliRun.Of("init", "--config", In("timed.json"), "--out", large).Succeeds();
        foreach (ref float value in frames[3].AsSpan())
            value = value < 0 ? -3e38f : 3e38f;
        CliRun run = CliRun.Of(["run", "--model", large, "--features", .. WriteFrames(frames), "--backend", "cpu",
            "--out", In("large.npy"), "--temporal-ids", "[[1],[2],[3],[4],[5]]"]);
        run.FailsNaming("group 3 of --temporal-ids", "'features.0'", "float32");
    }

    [Test]
    public void Maps_are_per_frame_and_share_a_gate()
    {
        CliRun.Of(["run", "--model", TimedModel, "--features", .. WriteFrames(Frames(s_grids)), "--backend",
            "reference", "--out", In("maps.npy"), "--maps", In("maps"), "--temporal-ids", "[[1,2],[3,4,5]]"])
            .Succeeds();
        string[] names = [.. Directory.GetFiles(In("maps"))
            .Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        string[] looks = ["look-0-local", "look-1-soft", "look-2-wide"];
        string[] expected = [.. new[] { ("group-000", 2), ("group-001", 3) }.SelectMany(group =>
            Enumerable.Range(0, group.Item2).SelectMany(frame => looks.Select(look =>
                $"{group.Item1}-frame-{frame:D3}-{look}.png")).Append($"{group.Item1}-gate.png"))
            .Order(StringComparer.Ordinal)];
        Assert.That(names, Is.EqualTo(expected));
    }

    [Test]
    public void The_weights_of_a_token_sum_to_1_over_the_frames_of_a_group()
    {
        float[][] frames = Frames(s_grids);
        using ResamplerModel model = ResamplerModel.Open(TimedModel);
        using ITokenEngine engine = TokenEngine.Open(model,
            new EngineChoice { Backend = BackendChoice.Reference });
        TokenView view = engine.Explain([.. frames.SelectMany(values => values)],
            new FrameGroups(s_grids, [-1, 0, 3, 3, 900], [s_grids.Length]));
        using (Assert.EnterMultipleScope())
        {
            for (int scope = 0; scope < 3; scope++)
            {
                for (int query = 0; query < QueryCount; query++)
                {
                    float sum = 0;
                    for (int frame = 0; frame < s_grids.Length; frame++)
                        sum += view.AttentionOf(query, scope, frame).ToArray().Sum();
                    Assert.That(sum, Is.EqualTo(1).Within(1e-5), $"scope {scope}, query {query}");
                }

                // Relative to a uniform share, the mean over the patches of all frames is 1.
                double[] means = [.. Enumerable.Range(0, s_grids.Length)
                    .SelectMany(frame => view.MeanAttention(scope, frame))];
                Assert.That(means.Average(), Is.EqualTo(1).Within(1e-5), $"scope {scope}");
            }
        }
    }

    private CliRun Run(string output, string[] files, string ids) => CliRun.Of(["run", "--model", TimedModel,
        "--features", .. files, "--out", output, "--temporal-ids", ids, "--backend", "reference"]);

    private static float[][] Frames(PatchGrid[] grids)
        => [.. grids.Select((grid, index) => Values((int)grid.PatchCount * ChannelCount, 20 + index))];

    /// <summary>Writes frames with <see cref="s_grids"/>: two in an array, one alone, two in numbered
    /// tensors.</summary>
    private string[] WriteFrames(float[][] frames) =>
    [
        WriteNpy("first.npy", [2, 2, 3, ChannelCount], [.. frames[0], .. frames[1]]),
        WriteFeatures("middle.safetensors", ("features", [4, 1, ChannelCount], frames[2])),
        WriteFeatures("last.safetensors", ("features.0", [1, 1, 1, ChannelCount], frames[3]),
            ("features.1", [3, 3, ChannelCount], frames[4])),
    ];

    private static float[] Expected(string folder, float[][] frames, PatchGrid[] grids, int[] ids)
    {
        using ResamplerModel model = ResamplerModel.Open(folder);
        float[] features = [.. frames.SelectMany(values => values)];
        double[] exact = ReferenceResampler.Load(model).Resample(features, grids, ids);
        return [.. exact.Select(value => (float)value)];
    }

    private static float[] ReadAny(string path, out long[] shape)
    {
        if (!path.EndsWith(".npy", StringComparison.Ordinal))
            return ReadTokens(path, out shape);
        byte[] bytes = File.ReadAllBytes(path);
        NpyHeader header = NpyHeader.Parse(bytes);
        shape = [.. header.Shape];
        return System.Runtime.InteropServices.MemoryMarshal
            .Cast<byte, float>(bytes.AsSpan((int)header.DataOffset)).ToArray();
    }

    [GeneratedRegex(@", [\d.,]+/s(, [^\n]* left)?")]
    private static partial Regex Rate();
}
