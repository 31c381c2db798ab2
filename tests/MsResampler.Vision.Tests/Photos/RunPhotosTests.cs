using System.Runtime.InteropServices;
using MsResampler.Cli.Photos;
using MsResampler.Safetensors;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>The command <c>run --images</c>.</summary>
internal sealed class RunPhotosTests : PhotoFixture
{
    private const int GoodCount = 11;

    private static readonly string[] s_bad = ["broken.jpg", "sub/text.png"];

    private static readonly string[] s_names =
        [.. Enumerable.Range(0, GoodCount).Select(index => $"{index:D3}.png"), .. s_bad];

    private int _outputCount;

    private string Photos => In("photos");

    [OneTimeSetUp]
    public void CreatePhotos()
    {
        TestImages.Write(Photos, GoodCount);
        Directory.CreateDirectory(Path.Combine(Photos, "sub"));
        byte[] png = TestImages.Png(30, 30, 99);
        File.WriteAllBytes(Path.Combine(Photos, s_bad[0]), png[..(png.Length / 2)]);
        File.WriteAllText(Path.Combine(Photos, s_bad[1]), "not a picture");
        File.WriteAllText(Path.Combine(Photos, "notes.txt"), "not an image");
    }

    [TestCase(null, "0/2", "all photos")]
    [TestCase("0/3", "0/2", "parts of 3")]
    [TestCase("1/2", null, "parts of 2")]
    public void Parts_of_two_divisions_do_not_share_a_folder(string? first, string? second, string found)
    {
        string output = NewOutput();
        CliRun Share(string? share) => share is null ? Run("--images", Photos, "--out", output)
            : Run("--images", Photos, "--out", output, "--shard", share);
        Assert.That(Share(first).ExitCode, Is.LessThan(2));
        Share(second).FailsNaming("tokens", found);
        Assert.That(Share(first).ExitCode, Is.LessThan(2));
    }

    [Test]
    public void A_folder_receives_the_tokens_of_good_photos_and_names_the_bad_ones()
    {
        string output = NewOutput();
        CliRun run = Run("--images", Photos, "--out", output, "--shard-size", "500B");
        List<(string File, byte[]? Tokens)> photos = Read(output);
        using VisualTokenizer tokenizer = VisualTokenizer.Load(Encoder, Model);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(1));
            Assert.That(run.Output, Does.Contain("11 photos -> tokens [6, 5] of each in ").And.Contain("/s; cpu")
                .And.Contain($"2 photos without tokens; {Path.Combine(output, "tokens.jsonl")} says why"));
            Assert.That(run.Error, Does.Match("^warning: broken.jpg: .+\nwarning: sub/text.png: .+\n$"));
            Assert.That(photos.Select(photo => photo.File), Is.EqualTo(s_names), "the order of the names");
            // 120 bytes a photo: four in a shard.
            Assert.That(Directory.GetFiles(output, "*.safetensors"), Has.Length.EqualTo(3));
            foreach ((string file, byte[]? tokens) in photos)
            {
                Assert.That(tokens, s_bad.Contains(file) ? Is.Null : Is.EqualTo(MemoryMarshal.AsBytes<float>(
                    tokenizer.Tokenize(Path.Combine(Photos, file)).Tokens.Span).ToArray()), file);
            }
        }

        CliRun again = Run("--images", Photos, "--out", output, "--shard-size", "500B");
        Assert.That(again.ExitCode, Is.EqualTo(1));
        Assert.That(again.Output,
            Does.StartWith($"nothing to do: {output} has the tokens of 11 photos\n2 photos without"));
    }

    [Test]
    public void Names_are_relative_to_the_folder_so_that_it_may_move()
    {
        string output = NewOutput();
        Assert.That(Run("--images", Photos, "--out", output).ExitCode, Is.EqualTo(1));
        string moved = In("moved");
        Directory.Move(Photos, moved);
        try
        {
            Assert.That(Run("--images", moved, "--out", output).Output, Does.StartWith("nothing to do"));
            TestImages.Write(Path.Combine(moved, "more"), 2);
            Assert.That(Run("--images", moved, "--out", output).Output, Does.Contain("\n2 photos -> ")
                .And.Contain("; 11 had tokens before").And.Contain("\n2 photos without tokens"));
            Assert.That(Read(output).Select(photo => photo.File),
                Is.EqualTo((string[])[.. s_names, "more/000.png", "more/001.png"]));
        }
        finally
        {
            Directory.Delete(Path.Combine(moved, "more"), recursive: true);
            Directory.Move(moved, Photos);
        }
    }

    [Test]
    public void A_strict_run_ends_at_the_first_bad_photo()
    {
        string output = NewOutput();
        Run("--images", Photos, "--out", output, "--strict").FailsNaming("broken.jpg");
        Assert.That(Run("--images", Photos, "--out", output).Output, Does.Contain("\n0 photos -> ")
            .And.Contain($"; {GoodCount} had tokens before").And.Contain("\n2 photos without tokens"));
        Run("--images", Photos, "--out", output, "--strict").FailsNaming("broken.jpg", "--retry-errors");
        Run("--images", Photos, "--out", output, "--strict", "--retry-errors").FailsNaming("broken.jpg");
        Run("--images", Photos, "--out", In("strict.pt")).FailsNaming("broken.jpg", "a folder as --out");
        Assert.That(File.Exists(In("strict.pt")), Is.False);
    }

    [Test]
    public void Workers_share_the_photos_without_a_word()
    {
        string whole = NewOutput(), shared = NewOutput();
        Run("--images", Photos, "--out", whole);
        for (int worker = 0; worker < 3; worker++)
            Assert.That(Run("--images", Photos, "--out", shared, "--shard", $"{worker}/3").ExitCode, Is.LessThan(2));
        List<(string File, byte[]? Tokens)> photos = Read(shared);
        Assert.That(photos.OrderBy(photo => photo.File, StringComparer.Ordinal),
            Is.EqualTo(Read(whole).OrderBy(photo => photo.File, StringComparer.Ordinal)));
        Assert.That(File.ReadAllLines(Path.Combine(shared, "tokens-1-of-3.jsonl")), Is.Not.Empty);
        Assert.That(Journal.Read(Path.Combine(shared, "tokens-1-of-3.jsonl")).Select(line => line.Record!.File),
            Has.All.Matches<string>(file => new WorkShare(1, 3).Contains(PhotoId.Of(file!))));
    }

    [Test]
    public void One_file_and_single_pictures_have_the_same_tokens([Values("f32", "f16", "bf16")] string type)
    {
        string list = In("list.txt");
        string[] paths = [.. s_names[..GoodCount].Select(name => Path.Combine(Photos, name))];
        File.WriteAllLines(list, [.. paths, paths[3]]);
        Run("--images", list, "--out", In("list.safetensors"), "--dtype", type).Succeeds();
        Run(["--image", .. paths, "--out", In("single.safetensors"), "--dtype", type]).Succeeds();
        string output = NewOutput();
        Run("--images", Path.Combine(Photos, "*.png"), "--out", output, "--dtype", type, "--batch", "1").Succeeds();
        byte[] expected = [.. Read(output).SelectMany(photo => photo.Tokens!)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TokensOf(In("list.safetensors")), Is.EqualTo(expected));
            Assert.That(TokensOf(In("single.safetensors")), Is.EqualTo(expected));
        }
    }

    [Test]
    public void Maps_show_what_the_encoder_sees()
    {
        CliRun run = Run("--image", Path.Combine(Photos, "000.png"), "--out", In("maps.pt"), "--maps", In("maps"))
            .Succeeds();
        Assert.That(run.Output, Does.Contain("1 image of 4x4 patches").And.Contain("3 maps"));
        Assert.That(Directory.GetFiles(In("maps")), Has.Length.EqualTo(3));
    }

    [Test]
    public void Other_settings_are_an_error()
    {
        string output = NewOutput();
        Run("--images", Photos, "--out", output);
        Run("--images", Photos, "--out", output, "--dtype", "f16").FailsNaming("tokens.run.json",
            "other settings: --dtype f32, now f16; use the same settings");
        Run("--images", Photos, "--out", output, "--precision", "int8").FailsNaming("--precision float32, now int8");
        CliRun steps = Run("--images", Photos, "--out", output, "--preprocess", "clip", "--background", "112233");
        steps.FailsNaming("--background ffffff, now 112233", "--preprocess (mean) 0.5 0.5 0.5, now 0.48145467");
        Assert.That(steps.Error, Does.Not.Contain("rescaleFactor"), "which is the same");
        Run("--images", Photos, "--out", output, "--shard-size", "1000000", "--dtype", "bf16")
            .FailsNaming("--dtype f32, now bf16; ", "--shard-size 256MiB, now 1000000B");
        string other = new SmallVit { HasClassToken = false }.WriteTo(In("other-encoder"));
        CliRun.Of("run", "--model", Model, "--encoder", other, "--images", Photos, "--out", output)
            .FailsNaming("the content of --encoder ");
        // Moved files are the same files.
        string moved = new SmallVit { HasClassToken = true }.WriteTo(In("moved-encoder"));
        Assert.That(CliRun.Of("run", "--model", Model, "--encoder", moved, "--images", Photos, "--out", output).Output,
            Does.StartWith("nothing to do"));
    }

    [Test]
    public void A_device_in_the_folder_is_a_bad_photo()
    {
        Skip.If(!OperatingSystem.IsLinux(), "named pipes of Linux");
        Directory.CreateDirectory(In("devices"));
        using (System.Diagnostics.Process make = System.Diagnostics.Process.Start("mkfifo", In("devices/pipe.jpg")))
            make.WaitForExit();
        CliRun run = Run("--images", In("devices"), "--out", NewOutput());
        Assert.That((run.ExitCode, run.Error), Is.EqualTo(
            (1, "warning: pipe.jpg: cannot be read: this is a device or a pipe; expected a file\n")));
    }

    [Test]
    public void A_full_disk_is_one_error_and_the_same_command_continues()
    {
        Skip.If(!OperatingSystem.IsLinux(), "ulimit of Linux");
        string output = NewOutput();
        string[] arguments = Arguments("--images", Path.Combine(Photos, "*.png"), "--out", output);
        // In blocks of 512 bytes: 2 KiB have room for the settings, but the first tensor of a shard for 10,000 photos
        // is beyond that.
        CliRun full = CliRun.OfShell("ulimit -f 4", "", arguments);
        full.FailsNaming(output, "what is recorded stays: remove the cause and run the same command again");
        Assert.That(CliRun.Of(arguments).Succeeds().Output, Does.Contain($"{GoodCount} photos"));
        Assert.That(Read(output), Has.Count.EqualTo(GoodCount));
    }

    [Test]
    public void Standard_input_may_be_the_list()
    {
        Skip.If(OperatingSystem.IsWindows(), "the test uses a Unix shell");
        File.WriteAllLines(In("stdin.txt"), s_names[..GoodCount].Select(name => Path.Combine(Photos, name)));
        string output = NewOutput();
        CliRun run = CliRun.OfShell("", $"< '{In("stdin.txt")}'", Arguments("--images", "-", "--out", output));
        Assert.That(run.Succeeds().Output, Does.Contain($"{GoodCount} photos"));
        Assert.That(Read(output), Has.Count.EqualTo(GoodCount));
    }

    [Test]
    public void No_photo_is_an_error_and_makes_no_folder()
    {
        Directory.CreateDirectory(In("empty"));
        File.WriteAllText(In("empty.txt"), "\n");
        string output = NewOutput();
        Run("--images", In("empty"), "--out", output)
            .FailsNaming($"{In("empty")}: expected photos, found none", ".webp");
        string pattern = Path.Combine(Photos, "*.jpgg");
        Run("--images", pattern, "--out", output).FailsNaming($"{pattern}: expected photos", "no file matches");
        Run("--images", In("empty.txt"), "--out", output).FailsNaming("empty.txt: expected photos", "has no path");
        Run("--images", In("empty"), "--out", In("empty.npy")).FailsNaming("expected photos, found none");
        Assert.That(Directory.Exists(output), Is.False);
    }

    [Test]
    public void A_part_without_photos_is_done()
    {
        string output = NewOutput();
        int empty = Enumerable.Range(0, 100).First(part => !s_names.Any(name
            => new WorkShare(part, 100).Contains(PhotoId.Of(name))));
        Assert.That(Run("--images", Photos, "--out", output, "--shard", $"{empty}/100").Succeeds().Output,
            Does.StartWith("0 photos -> "));
        Run("--images", Photos, "--out", In("part.npy"), "--shard", $"{empty}/100").FailsNaming($"--shard {empty}/100");
    }

    [Test]
    public void Names_that_are_not_UTF_8_are_counted_one_by_one()
    {
        Skip.If(!OperatingSystem.IsLinux(), "other systems have no such names");
        Directory.CreateDirectory(In("bytes"));
        TestImages.Write(In("bytes"), 1);
        // Decoded, the names of two files are the same; that of the last is in UTF-8.
        CliRun.OfShell($"cd '{In("bytes")}'; for name in $(printf 'a\\377.png a\\376.png b\\377.txt ') " +
            "\uFFFD.png; do cp 000.png \"$name\"; done", "", "--version").Succeeds();
        string output = NewOutput();
        CliRun run = Run("--images", In("bytes"), "--out", output);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(1));
            Assert.That(run.Output, Does.StartWith("2 photos -> ").And.Contain("\n2 left out"));
            Assert.That(run.Error.Split("the name is not UTF-8"), Has.Length.EqualTo(3));
            Assert.That(Read(output).Select(photo => photo.File), Is.EqualTo((string[])["000.png", "\uFFFD.png"]));
        }

        Run("--images", In("bytes"), "--out", NewOutput(), "--strict").FailsNaming("the name is not UTF-8");
        Run("--images", In("bytes"), "--out", In("bytes.npy")).FailsNaming("the name is not UTF-8");
        // .NET cannot delete these files.
        CliRun.OfShell($"rm -r '{In("bytes")}'", "", "--version").Succeeds();
    }

    [Test]
    public void Messages_name_the_options_of_the_command()
    {
        string photo = Path.Combine(Photos, "000.png"), output = NewOutput();
        Run("--images", photo, Path.Combine(Photos, "001.png"), "--out", output)
            .FailsNaming("001.png", "put a pattern in quotes", "--image for single pictures");
        Run("--image", photo, "--preprocess", In("none.json"), "--out", In("o.pt"))
            .FailsNaming("none.json'; there is no file");
        CliRun.Of("run", "--model", Encoder, "--encoder", Encoder, "--images", Photos, "--out", output)
            .FailsNaming("--model expects a resampler", "given with --encoder");
        CliRun.Of("run", "--model", Model, "--encoder", Path.Combine(Model, "model.safetensors"), "--image", photo,
            "--out", In("o.pt")).FailsNaming("--encoder expects a vision encoder", "given with --model");
        string wide = new SmallVit { ChannelCount = 16 }.WriteTo(In("wide-single"));
        CliRun.Of("run", "--model", Model, "--encoder", wide, "--image", photo, "--out", In("o.pt"))
            .FailsNaming($"{wide}: the encoder has 16 channels", "vision_hidden_size = 8");
        File.WriteAllText(In("gone.txt"), In("gone.jpg"));
        Assert.That(Run("--images", In("gone.txt"), "--out", output).Error,
            Is.EqualTo($"warning: {In("gone.jpg")}: cannot be read: there is no such file\n"));
        Assert.That(CliRun.Of("run", "--help").Output, Does.Contain("256MiB").And.Not.Contain("268435456"));
    }

    [Test]
    public void Wrong_arguments_are_errors()
    {
        string output = NewOutput();
        CliRun.Of("run", "--model", Model, "--images", Photos, "--out", output).FailsNaming("--images needs --encoder");
        Run("--out", output).FailsNaming("expected one of --features, --image and --images, found none");
        Run("--images", Photos, "--image", "a.png", "--out", output).FailsNaming("--image and --images");
        Run("--images", Photos, "--maps", In("m"), "--out", output).FailsNaming("--maps cannot be used with --images");
        Run("--images", Photos, "--shard", "3/3", "--out", output).FailsNaming("--shard: expected I/N", "'3/3'");
        Run("--images", Photos, "--shard-size", "0", "--out", output).FailsNaming("--shard-size: expected a size");
        Run("--images", Photos, "--shard-size", "1MB", "--out", In("o.pt")).FailsNaming("--shard-size needs a folder");
        Run("--images", Photos, "--preprocess", "none", "--out", output)
            .FailsNaming("clip, siglip, imagenet", "'none'");
        Run("--images", Photos, "--backend", "reference", "--out", output).FailsNaming("--backend reference");
        Run("--images", In("nothing"), "--out", output).FailsNaming("nothing of this name");
        Run("--image", Path.Combine(Photos, "000.png"), "--out", output)
            .FailsNaming(output, ".safetensors, .npy or .pt");
        Run("--image", Path.Combine(Photos, "000.png"), "--size", "4", "--out", In("o.pt"))
            .FailsNaming("--size cannot be used with --encoder");
        CliRun.Of("run", "--model", Model, "--encoder", In("none.onnx"), "--images", Photos, "--out", output)
            .FailsNaming("none.onnx", "no such file");
        File.Copy(Encoder, In("alone.onnx"));
        CliRun.Of("run", "--model", Model, "--encoder", In("alone.onnx"), "--images", Photos, "--out", output)
            .FailsNaming("alone.onnx", "preprocessor_config.json", "--preprocess with clip, siglip, imagenet");
        string wide = new SmallVit { ChannelCount = 16 }.WriteTo(In("wide"));
        CliRun.Of("run", "--model", Model, "--encoder", wide, "--images", Photos, "--out", output)
            .FailsNaming("16 channels", "vision_hidden_size = 8");
    }

    private string NewOutput() => In($"out-{_outputCount++}");

    private static byte[] TokensOf(string path)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        TensorInfo tensor = checkpoint.Find("tokens")!;
        byte[] bytes = new byte[tensor.ByteCount];
        checkpoint.ReadBytes(tensor, 0, bytes);
        return bytes;
    }
}
