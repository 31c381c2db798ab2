using System.Diagnostics;
using System.Globalization;
using MsResampler.Cli;
using MsResampler.Cli.Engines;

namespace MsResampler.Tests.Cli;

/// <summary>Sizes beyond 32 bits: the error is one line that names the option and its limit, before any work and
/// large allocation.</summary>
internal sealed class SizeTests : CliFixture
{
    private const long MaxAllocatedBytes = 32 << 20;

    private static readonly TestCaseData<string, string[]>[] s_tooLarge =
    [
        // 536,870,911 features of 12 channels are 44,739,242 patches.
        new("bench --model {0}/model --grid 65535x65535", ["--grid 65535x65535", "44,739,242 patches"]),
        new("bench --model {0}/model --grid 65535x683", ["--grid 65535x683", "44,739,242 patches"]),
        new("bench --model {0}/model --grid 200x200 --batch 4096", ["--batch 4096", "10,922 patches an image"]),
        new("bench --model {0}/model --grid 2x2 --batch 2147483648", ["--batch", "from 1 to 4096"]),
        new("bench --model {0}/model --grid 65536x1", ["--grid", "from 1 to 65535"]),
        new("bench --model {0}/model --grid 2x2 --seconds 1e9", ["--seconds", "up to 3600"]),
        new("export-onnx --model {0}/model --out {0}/large.onnx --grid 65535x65535", ["--grid 65535x65535"]),
        new("inspect {0}/model --grid 4294967296x1", ["--grid", "from 1 to 65535"]),
        new("run --model {0}/model --image {0}/small.png --patch 2 --size 28000 --out {0}/o.npy",
            ["--size 28000", "a square with side 13377"]),
        new("run --model {0}/model --image {0}/small.png --patch 2 --size 65534x4096 --out {0}/o.npy",
            ["--size 65534x4096"]),
        new("run --model {0}/model --image {0}/small.png --threads 4294967296 --out {0}/o.npy",
            ["--threads", "from 1 to 1024"]),
    ];

    [TestCaseSource(nameof(s_tooLarge))]
    public void A_size_beyond_its_limit_is_one_line_before_any_work(string arguments, string[] words)
    {
        WritePicture("small.png", 2, 2, (_, _) => SkiaSharp.SKColors.Gray);
        string[] split = [.. arguments.Split(' ').Select(argument =>
            argument.Replace("{0}", Folder, StringComparison.Ordinal))];
        long before = GC.GetTotalAllocatedBytes(precise: true);
        CliRun.Of(split).FailsNaming(words);
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.LessThan(MaxAllocatedBytes));
    }

    [Test]
    public void Inspect_draws_the_largest_grid_without_visiting_its_patches()
    {
        // 4.3 billion patches, twice for each of three scopes: visiting each would take minutes.
        long start = Stopwatch.GetTimestamp();
        CliRun.Of("inspect", Model, "--grid", "65535x65535").Succeeds();
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(TimeSpan.FromSeconds(20)));
    }

    [Test]
    public void Every_extent_of_a_call_has_a_limit()
    {
        ResamplerConfig config = ConfigOf("[1024, 1024]", outputSize: 513);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => CallSize.Require("here", config, 1),
                Throws.TypeOf<InputException>().With.Message.Contains("here: 1,048,576 tokens of output_size 513"));
            Assert.That(() => CallSize.Require("here", ConfigOf("[1024, 1024]", outputSize: 511), 1),
                Throws.Nothing);
            // Three scopes of two heads: 6,291,456 weights per patch.
            Assert.That(() => CallSize.RequireMaps("here", config, 86),
                Throws.TypeOf<InputException>().With.Message.Contains("attention weights"));
            Assert.That(() => CallSize.RequireMaps("here", config, 1), Throws.Nothing);
            // One logit per query and patch.
            Assert.That(() => CallSize.RequireReference("here", config, 514),
                Throws.TypeOf<InputException>().With.Message.Contains("the reference needs"));
            Assert.That(() => CallSize.RequireReference("here", config, 1), Throws.Nothing);
        }
    }

    private static ResamplerConfig ConfigOf(string queryGrid, int outputSize) => ConfigReader.Read(
        System.Text.Encoding.UTF8.GetBytes(Config
            .Replace("[2, 3]", queryGrid, StringComparison.Ordinal)
            .Replace("\"output_size\": 5", string.Create(
                CultureInfo.InvariantCulture, $"\"output_size\": {outputSize}"),
                StringComparison.Ordinal)), "c.json", []);
}
