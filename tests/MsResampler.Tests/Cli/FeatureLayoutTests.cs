using System.Diagnostics;
using System.Text;
using MsResampler.Cli;
using MsResampler.Cli.Input;
using MsResampler.Tests.Safetensors;

namespace MsResampler.Tests.Cli;

/// <summary>The interpretation of the axes of a feature array.</summary>
internal sealed class FeatureLayoutTests : CliFixture
{
    private static readonly TestCaseData<long[], PatchGrid?, bool, string>[] s_read =
    [
        // Shape, --grid, --drop-class-token; images, grid, channels, first element of the second image.
        new([24, 24, 64], null, false, "1 24x24 64"),
        new([2, 3, 4, 64], null, false, "2 3x4 64 @768"),
        new([1, 1, 64], null, false, "1 1x1 64"),
        new([1, 1, 576, 64], null, false, "1 1x576 64"),
        new([13, 169, 64], null, false, "1 13x169 64"),
        new([24, 195, 64], null, false, "1 24x195 64"),
        new([576, 24, 64], null, false, "1 576x24 64"),
        new([1, 576, 64], new(24, 24), false, "1 24x24 64"),
        new([1, 576, 64], new(1, 576), false, "1 1x576 64"),
        new([1, 576, 64], new(16, 36), false, "1 16x36 64"),
        new([8, 577, 64], new(24, 24), true, "8 24x24 64 @36992"),
        new([8, 577, 64], new(8, 577), false, "1 8x577 64"),
        new([14, 196, 64], new(14, 14), false, "14 14x14 64 @12544"),
        new([14, 196, 64], new(14, 196), false, "1 14x196 64"),
        new([576, 64], new(24, 24), false, "1 24x24 64"),
        new([577, 64], new(24, 24), true, "1 24x24 64"),
        new([24, 24, 64], new(24, 24), false, "1 24x24 64"),
        new([5, 24, 24, 64], new(24, 24), false, "5 24x24 64 @36864"),
        new([6, 64], new(2, 3), false, "1 2x3 64"),
        new([7, 6, 64], new(2, 3), false, "7 2x3 64 @384"),
    ];

    private static readonly TestCaseData<long[], PatchGrid?, bool, string[]>[] s_refused =
    [
        new([1, 576, 64], null, false, ["--grid 1x576", "--grid 24x24)"]),
        new([8, 577, 64], null, false, ["--grid 8x577", "--grid 24x24 --drop-class-token", "8 images"]),
        new([14, 196, 64], null, false, ["--grid 14x196", "--grid 14x14)"]),
        new([14, 197, 64], null, false, ["--grid 14x14 --drop-class-token"]),
        new([2, 256, 64], null, false, ["--grid 2x256", "--grid 16x16)"]),
        new([2, 257, 64], null, false, ["--grid 16x16 --drop-class-token"]),
        new([2, 729, 64], null, false, ["--grid 27x27)"]),
        new([2, 4096, 64], null, false, ["--grid 64x64)"]),
        new([2, 261, 64], null, false, ["5 class and register tokens", "x[:, 5:]", "--grid 16x16)"]),
        new([1, 432, 64], null, false, ["--grid 1x432", "--grid HxW, such as 18x24"]),
        new([1, 7, 64], null, false, ["--grid 1x7", "--grid HxW)"]),
        new([576, 64], null, false, ["[576,64]", "--grid 24x24)"]),
        new([577, 64], null, false, ["--grid 24x24 --drop-class-token"]),
        new([6, 64], null, false, ["--grid HxW, such as 2x3"]),
        new([64], null, false, ["[H,W,C]"]),
        new([1, 1, 2, 3, 64], null, false, ["[1,1,2,3,64]"]),
        new([3, 0, 64], null, false, ["empty"]),
        new([3, 0, 64], new(3, 1), false, ["empty"]),
        new([8, 577, 64], new(24, 24), false, ["[576,C]", "add --drop-class-token"]),
        new([8, 576, 64], new(24, 24), true, ["[577,C]", "no class token to drop"]),
        new([8, 581, 64], new(24, 24), false, ["5 more rows than patches"]),
        new([8, 576, 64], new(16, 16), false, ["[256,C]", "[8,576,64]"]),
        new([24, 24, 64], new(24, 24), true, ["[577,C]", "found [24,24,64]"]),
        new([2, 64, 24, 24], new(24, 24), false, ["x.transpose(0, 2, 3, 1)"]),
        new([64, 24, 24], new(24, 24), false, ["x.transpose(1, 2, 0)"]),
        new([24, 24, 1L << 40], null, false, ["too large"]),
        new([1L << 40, 24, 64], null, false, ["too large"]),
        new([576, 1L << 40], new(24, 24), false, ["too large"]),
    ];

    [TestCaseSource(nameof(s_read))]
    public void An_unambiguous_shape_is_read(long[] shape, PatchGrid? grid, bool dropClassToken, string expected)
    {
        FeatureShape read = new FeatureLayout(grid, dropClassToken).Read("f", shape, allowBatch: true);
        Assert.That($"{read.ImageCount} {read.Grid} {read.ChannelCount}" +
            (read.ImageCount == 1 ? "" : $" @{read.Start(1)}"), Is.EqualTo(expected));
        Assert.That(read.Start(0), Is.EqualTo(dropClassToken ? read.ChannelCount : 0));
    }

    [TestCaseSource(nameof(s_refused))]
    public void The_error_of_an_ambiguous_shape_names_the_options_to_use(long[] shape, PatchGrid? grid,
        bool dropClassToken, string[] words)
    {
        string message = Assert.Throws<InputException>(() =>
            new FeatureLayout(grid, dropClassToken).Read("f.npy", shape, allowBatch: true))!.Message;
        Assert.That(message, Does.StartWith("f.npy: "));
        foreach (string word in words)
            Assert.That(message, Does.Contain(word));
    }

    [Test]
    public void Rows_with_a_grid_have_the_tokens_of_the_image([Values] bool isNpy, [Values] bool hasClassToken)
    {
        const int Images = 3;
        float[] patches = Values(Images * 6 * ChannelCount, 11);
        float[] tokens = Tokens(Write(isNpy, [Images, 2, 3, ChannelCount], patches));
        float[] rows = !hasClassToken ? patches : [.. patches.Chunk(6 * ChannelCount)
            .SelectMany(image => (float[])[.. Enumerable.Repeat(9f, ChannelCount), .. image])];
        string path = Write(isNpy, [Images, hasClassToken ? 7 : 6, ChannelCount], rows);
        string[] options = ["--grid", "2x3", .. hasClassToken ? (string[])["--drop-class-token"] : []];
        Assert.That(Tokens(path, options), Is.EqualTo(tokens));
    }

    [Test]
    public void Several_files_are_one_batch()
    {
        float[] values = Values(3 * 6 * ChannelCount, 12);
        float[] tokens = Tokens(Write(isNpy: true, [3, 2, 3, ChannelCount], values));
        string first = WriteNpy("first.npy", [6, ChannelCount], values[..(6 * ChannelCount)]);
        string rest = WriteFeatures("rest.safetensors",
            ("features", [2, 6, ChannelCount], values[(6 * ChannelCount)..]));
        Assert.That(Tokens(first, rest, "--grid", "2x3"), Is.EqualTo(tokens));
    }

    [Test]
    public void Numbered_tensors_are_interpreted_by_the_grid_option()
    {
        float[] values = Values(6 * ChannelCount, 13);
        float[] tokens = Tokens(Write(isNpy: true, [2, 3, ChannelCount], values));
        string numbered = WriteFeatures("numbered-rows.safetensors", ("features.0", [6, ChannelCount], values),
            ("features.1", [1, 6, ChannelCount], values), ("features.2", [1, 2, 3, ChannelCount], values));
        Assert.That(Tokens(numbered, "--grid", "2x3"), Is.EqualTo((float[])[.. tokens, .. tokens, .. tokens]));
    }

    [TestCase("--grid 2x3 --image a.png", "--grid can only be used with --features")]
    [TestCase("--drop-class-token --image a.png", "--drop-class-token can only be used with --features")]
    [TestCase("--drop-class-token --features a.npy", "--drop-class-token needs --grid")]
    public void Incompatible_options_are_rejected(string arguments, string cause)
        => CliRun.Of(["run", "--model", "m", "--out", "o.npy", .. arguments.Split(' ')]).FailsNaming(cause);

    [Test]
    public void Channels_on_an_axis_other_than_the_last_are_reported()
    {
        CliRun.Of("run", "--model", Model, "--features",
            Write(true, [2, ChannelCount, 3, 5], new float[30 * ChannelCount]),
            "--out", In("o.npy")).FailsNaming("5 channels", "x.transpose(0, 2, 3, 1)");
        CliRun.Of("run", "--model", Model, "--features",
            Write(true, [ChannelCount, 3, 5], new float[15 * ChannelCount]),
            "--out", In("o.npy")).FailsNaming("5 channels", "x.transpose(1, 2, 0)");
    }

    [TestCase("504B0304", ".npz")]
    [TestCase("80025D71", "Python pickle")]
    [TestCase("89504E47", "--image")]
    [TestCase("", "empty")]
    public void A_binary_file_of_another_format_is_recognised(string start, string found)
        => AssertNamed(Convert.FromHexString(start), found);

    [TestCase("version https://git-lfs.github.com/spec/v1", "Git LFS pointer")]
    [TestCase(" <!doctype html>", "HTML page")]
    public void A_text_file_of_another_format_is_recognised(string start, string found)
        => AssertNamed(Encoding.ASCII.GetBytes(start), found);

    /// <summary>A safetensors file starts with the length of its header. The length 640 looks like a Python pickle,
    /// 0x8b1f like a gzip archive.</summary>
    [TestCase(0x0280)]
    [TestCase(0x8b1f)]
    public void A_header_length_that_looks_like_another_format_is_read(int headerBytes)
    {
        string header = $"{{\"features\":{{\"dtype\":\"F32\",\"shape\":[2,3,{ChannelCount}],\"data_offsets\":[0," +
            $"{6 * ChannelCount * sizeof(float)}]}}}}";
        File.WriteAllBytes(In("long.safetensors"),
            HandWritten.File(header.PadRight(headerBytes), 6 * ChannelCount * sizeof(float)));

        CliRun.Of("run", "--model", Model, "--features", In("long.safetensors"), "--out", In("o.npy")).Succeeds();
    }

    [Test]
    public void A_folder_in_place_of_a_file_is_reported()
    {
        using (Assert.EnterMultipleScope())
        {
            CliRun.Of("run", "--model", Model, "--features", Model, "--out", In("o.npy"))
                .FailsNaming("this is a folder; --features expects a file");
            CliRun.Of("run", "--model", Model, "--image", Model, "--out", In("o.npy"))
                .FailsNaming("this is a folder; --image expects a file");
            CliRun.Of("init", "--config", Model, "--out", In("new"))
                .FailsNaming("this is a folder; --config expects a file");
            CliRun.Of("ptx", "--arch", "sm_80", "--config", Model, "--out", In("new"))
                .FailsNaming("this is a folder; --config expects a file");
        }
    }

    [Test]
    public void A_pipe_works_like_a_file([Values("npy", "safetensors", "png")] string kind)
    {
        Skip.If(OperatingSystem.IsWindows(), "Pipes have no paths on Windows.");
        string path = kind == "png" ? WritePicture(
            "piped.png", 6, 4, (x, y) => new SkiaSharp.SKColor((byte)(40 * x), (byte)y, 0))
            : Write(kind == "npy", [2, 3, ChannelCount], Values(6 * ChannelCount, 14));
        string[] options = kind == "png" ? ["--patch", "2", "--size", "4x6", "--image"] : ["--features"];
        byte[] tokens = Run(path);
        string pipe = In($"pipe-{kind}");
        using (Process make = Process.Start("mkfifo", pipe))
            make.WaitForExit();
        byte[] bytes = File.ReadAllBytes(path);
        using Task write = Task.Run(() => File.WriteAllBytes(pipe, bytes));
        Assert.That(Run(pipe), Is.EqualTo(tokens));
        write.GetAwaiter().GetResult();

        byte[] Run(string input)
        {
            CliRun.Of(["run", "--model", Model, "--out", In("piped.npy"), .. options, input]).Succeeds();
            return File.ReadAllBytes(In("piped.npy"));
        }
    }

    private void AssertNamed(byte[] start, string found)
    {
        foreach (string name in (string[])["kind.npy", "kind.safetensors", "kind"])
        {
            File.WriteAllBytes(In(name), start.Length == 0 ? start : [.. start, .. new byte[64]]);
            CliRun.Of("run", "--model", Model, "--features", In(name), "--out", In("o.npy")).FailsNaming(name, found);
        }
    }

    private string Write(bool isNpy, long[] shape, float[] values) => isNpy
        ? WriteNpy("layout.npy", shape, values)
        : WriteFeatures("layout.safetensors", ("features", shape, values));

    private float[] Tokens(string features, params string[] more)
    {
        CliRun.Of(["run", "--model", Model, "--out", In("layout-tokens.safetensors"), "--features", features, .. more])
            .Succeeds();
        return ReadTokens(In("layout-tokens.safetensors"), out _);
    }
}
