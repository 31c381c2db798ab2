using System.Diagnostics;
using System.Text;
using MsResampler.Cli;
using MsResampler.Safetensors;
using SkiaSharp;

namespace MsResampler.Training.Tests.Cli;

/// <summary>Tests of <c>train</c> with a small student, and features and tokens of a teacher in files.</summary>
internal abstract class TrainFixture : TemporaryFolderFixture
{
    protected const int ImageCount = 24;

    private const int ChannelCount = 12;

    // Rows of pixels of the plot with the title and the line below it.
    private const int TitleRows = 64;

    /// <summary>The student has one more scope than the teacher.</summary>
    private static readonly ResamplerConfig s_student = Configs.Of(Configs.Window(2, 2),
        Configs.Gaussian(1.5, 1.5), Configs.None);

    private static readonly ResamplerConfig s_teacher = Configs.Of(Configs.Gaussian(1, 1), Configs.None);

    protected static string[] ShortRun { get; } = ["--steps", "60", "--batch", "5", "--checkpoint-every", "7"];

    [SetUp]
    public void WriteInputs()
    {
        foreach ((string name, ResamplerConfig config, ulong seed) in
            (ReadOnlySpan<(string, ResamplerConfig, ulong)>)[("student", s_student, 1), ("teacher", s_teacher, 2)])
            RandomModel.Write(Folder.File(name), config, Encoding.UTF8.GetBytes(ConfigJson.Of(config)), seed);
        Random random = new(5);
        SafetensorsWriter.Write(Folder.File("features.safetensors"), Enumerable.Range(0, ImageCount).Select(image =>
        {
            long[] shape = [3 + (image % 3), 4 + (image % 2), ChannelCount];
            float[] values = new float[shape[0] * shape[1] * shape[2]];
            foreach (ref float value in values.AsSpan())
                value = (float)((2 * random.NextDouble()) - 1);
            return new TensorToWrite($"features.{image}", TensorType.F32, shape, values);
        }));
        CliRun.Of("run", "--model", Folder.File("teacher"), "--features", Folder.File("features.safetensors"), "--out",
            Folder.File("tokens.safetensors"), "--backend", "cpu").Succeeds();
    }

    protected string[] Arguments(string output, params string[] more) =>
    [
        "train", "--model", Folder.File("student"), "--features", Folder.File("features.safetensors"), "--teacher",
        Folder.File("tokens.safetensors"), "--out", Folder.File(output), .. more,
    ];

    protected CliRun Train(string output, params string[] more) => CliRun.Of(Arguments(output, more));

    protected static Process Start(string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [typeof(CommandLine).Assembly.Location, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    protected byte[] Bytes(string output, string name) => File.ReadAllBytes(Path.Combine(Folder.File(output), name));

    private byte[] PlotWithoutTitle(string output)
    {
        using SKBitmap plot = SKBitmap.Decode(Bytes(output, "training.png"));
        return plot.Bytes[(TitleRows * plot.RowBytes)..];
    }

    /// <summary>The rows of training.csv without the times, which differ from run to run.</summary>
    protected string[] Rows(string output) => [.. File.ReadLines(Path.Combine(Folder.File(output), "training.csv"))
        .Select(line => line[..line.LastIndexOf(',')])];

    /// <summary>Asserts that two runs have the same bits, and that the rows of the second are complete.</summary>
    protected void AssertSame(string expected, string found)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Bytes(found, "training.safetensors"), Is.EqualTo(Bytes(expected, "training.safetensors")));
            Assert.That(Bytes(found, "model.safetensors"), Is.EqualTo(Bytes(expected, "model.safetensors")));
            Assert.That(Bytes(found, "config.json"), Is.EqualTo(Bytes(expected, "config.json")));
            Assert.That(Rows(found), Is.EqualTo(Rows(expected)));
            // The title has the name of the folder.
            Assert.That(PlotWithoutTitle(found), Is.EqualTo(PlotWithoutTitle(expected)));
        }
    }
}
