using System.Diagnostics;
using System.Globalization;
using MsResampler.Cli;
using SkiaSharp;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>Many photos of many sizes, formats and damages, with an encoder that takes time. Prints what
/// perf/README.md shows.</summary>
[Explicit("takes a minute on an idle machine")]
internal sealed class PhotoStressTests : PhotoFixture
{
    private const int PictureCount = 500;
    private const int CopyCount = 4;
    private const int PhotoCount = PictureCount * CopyCount;
    private const int KillCount = 5;

    private static readonly string[] s_damages = ["truncated", "flipped", "text", "empty"];

    private string _model = "";
    private string _encoder = "";

    private string Photos => In("photos");

    [OneTimeSetUp]
    public void Generate()
    {
        string config = Config.Replace("\"vision_hidden_size\": 8, \"hidden_size\": 8, \"num_attention_heads\": 2",
            "\"vision_hidden_size\": 384, \"hidden_size\": 256, \"num_attention_heads\": 4", StringComparison.Ordinal)
            .Replace("\"query_grid\": [2, 3], \"output_size\": 5", "\"query_grid\": [8, 8], \"output_size\": 512",
                StringComparison.Ordinal);
        File.WriteAllText(In("large.json"), config);
        _model = In("large");
        CliRun.Of("init", "--config", In("large.json"), "--out", _model).Succeeds();
        _encoder = new SmallVit { PatchSize = 14, ChannelCount = 384, Size = new ImageSize(224, 224) }
            .WriteTo(In("large-encoder"));
        for (int copy = 0; copy < CopyCount; copy++)
            Directory.CreateDirectory(Path.Combine(Photos, $"{copy}"));
        Parallel.For(0, PictureCount, picture =>
        {
            (string name, byte[] bytes) = Draw(picture);
            for (int copy = 0; copy < CopyCount; copy++)
                File.WriteAllBytes(Path.Combine(Photos, $"{copy}", name), bytes);
        });
    }

    [Test]
    public void Every_photo_is_accounted_for_once_and_memory_stays_flat()
    {
        (TimeSpan alone, int goodCount) = OneByOne();
        string list = In("quarter.txt");
        File.WriteAllLines(list, Directory.GetFiles(Path.Combine(Photos, "0")));
        (_, long quarterBytes, _) = Measure(In("quarter"), list);
        (TimeSpan overlapped, long bytes, string output) = Measure(In("whole"), Photos);
        for (int kill = 0; kill < KillCount; kill++)
            Kill(In("killed"), kill);
        Measure(In("killed"), Photos);
        List<(string File, byte[]? Tokens)> whole = Read(In("whole"));
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{PhotoCount} photos, {PhotoCount - goodCount} bad, {Length(Photos) / 1e6:N0} MB\n" +
            $"one by one: {PhotoCount / alone.TotalSeconds:N1}/s; the command with its start: " +
            $"{PhotoCount / overlapped.TotalSeconds:N1}/s\n{output}" +
            $"peak memory: {quarterBytes >> 20} MiB for {PictureCount} photos, {bytes >> 20} MiB for {PhotoCount}"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(whole.Select(photo => photo.File).Distinct().Count(), Is.EqualTo(PhotoCount));
            Assert.That(whole, Has.Count.EqualTo(PhotoCount));
            Assert.That(whole.Count(photo => photo.Tokens is not null), Is.EqualTo(goodCount));
            Assert.That(Read(In("killed")), Is.EqualTo(whole), "the tokens have the same bits after kills");
            // The shards' header, 2,000 names, and what the collector has not freed yet.
            Assert.That(bytes, Is.LessThan(quarterBytes + (100L << 20)));
        }
    }

    /// <summary>The files do not exist, so that only names, lines and identifiers take memory.</summary>
    [Test]
    public void A_million_names_take_little_memory()
    {
        const int NameCount = 1_000_000;
        string few = In("few.txt"), many = In("many.txt");
        File.WriteAllLines(few, ["/none/of/these/folders/photo-0.jpg"]);
        File.WriteAllLines(many, Enumerable.Range(0, NameCount).Select(index => $"/none/of/these/folders/{index}.jpg"));
        (_, long fewBytes, _) = Measure(In("few"), few);
        (TimeSpan first, long firstBytes, _) = Measure(In("many"), many);
        (TimeSpan again, long againBytes, string output) = Measure(In("many"), many);
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{NameCount} names: {first.TotalSeconds:N1} s, {(firstBytes - fewBytes) >> 20} MiB more than for one; " +
            $"again {again.TotalSeconds:N1} s, {(againBytes - fewBytes) >> 20} MiB"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.StartWith("nothing to do"));
            Assert.That(firstBytes - fewBytes, Is.LessThan(200L << 20));
            Assert.That(againBytes - fewBytes, Is.LessThan(200L << 20));
        }
    }

    /// <summary>A picture of random size and format; every twelfth one is damaged.</summary>
    private static (string Name, byte[] Bytes) Draw(int index)
    {
        Random random = new(index);
        (int width, int height) = (random.Next(64, 1_000), random.Next(64, 1_000));
        using SKBitmap bitmap = new(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using (SKCanvas canvas = new(bitmap))
        using (SKPaint paint = new())
        {
            for (int shape = 0; shape < 200; shape++)
            {
                paint.Color = new SKColor((uint)random.Next() | 0xff00_0000);
                canvas.DrawCircle(random.Next(width), random.Next(height), random.Next(4, 200), paint);
            }
        }

        (SKEncodedImageFormat format, string extension) = (index % 10) switch
        {
            0 or 1 => (SKEncodedImageFormat.Png, "png"),
            2 => (SKEncodedImageFormat.Webp, "webp"),
            _ => (SKEncodedImageFormat.Jpeg, "jpg"),
        };
        using SKData data = bitmap.Encode(format, 90);
        byte[] bytes = data.ToArray();
        string damage = index % 12 == 5 ? s_damages[index / 12 % s_damages.Length] : "";
        switch (damage)
        {
            case "truncated":
                bytes = bytes[..(bytes.Length / 3)];
                break;
            case "flipped":
                bytes.AsSpan(0, 16).Fill(0x55);
                break;
            case "text":
                bytes = "<html>not found</html>"u8.ToArray();
                break;
            case "empty":
                bytes = [];
                break;
        }

        return ($"{index:D4}{damage}.{extension}", bytes);
    }

    private (TimeSpan Time, int GoodCount) OneByOne()
    {
        using VisualTokenizer tokenizer = VisualTokenizer.Load(_encoder, _model);
        tokenizer.WarmUpAsync().Wait();
        long start = Stopwatch.GetTimestamp();
        int count = 0;
        foreach (string path in Directory.GetFiles(Photos, "*", SearchOption.AllDirectories))
        {
            try
            {
                tokenizer.Tokenize(path);
                count++;
            }
            catch (InvalidImageException)
            {
                // counted by the caller
            }
        }

        return (Stopwatch.GetElapsedTime(start), count);
    }

    private (TimeSpan Time, long PeakBytes, string Output) Measure(string output, string photos)
    {
        long start = Stopwatch.GetTimestamp();
        using Process process = Start(output, photos);
        Task<string> text = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        long peak = 0;
        while (!process.WaitForExit(20))
            peak = Math.Max(peak, PeakBytesOf(process.Id));
        Assert.That(process.ExitCode, Is.EqualTo(1), error.Result);
        return (Stopwatch.GetElapsedTime(start), peak, text.Result);
    }

    private void Kill(string output, int seed)
    {
        using Process process = Start(output, Photos);
        Thread.Sleep(new Random(seed).Next(1_500, 5_000));
        process.Kill();
        process.WaitForExit();
    }

    private Process Start(string output, string photos) => Process.Start(new ProcessStartInfo("dotnet",
    [
        typeof(CommandLine).Assembly.Location, "run", "--model", _model, "--encoder", _encoder, "--images", photos,
            "--out", output, "--dtype", "f16", "--shard-size", "16MiB",
    ])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static long PeakBytesOf(int processId)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{processId}/status")
                .FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : 1_024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2],
                CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0; // the process has just ended
        }
    }

    private static long Length(string folder)
        => Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Sum(path => new FileInfo(path).Length);
}
