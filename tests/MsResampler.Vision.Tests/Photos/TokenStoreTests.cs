using System.IO.Hashing;
using System.Text.Json;
using MsResampler.Cli;
using MsResampler.Cli.Output;
using MsResampler.Cli.Photos;
using MsResampler.Safetensors;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>The output folder of many photos, after kills at every step.</summary>
internal sealed class TokenStoreTests : TemporaryFolderFixture
{
    private const int TokenCount = 2;
    private const int TokenWidth = 3;
    private const int PhotosPerShard = 3;
    private const int BadPhoto = 4;

    private static readonly StoreSettings s_settings = new()
    {
        Share = WorkShare.All,
        Type = TensorType.BF16,
        TokenCount = TokenCount,
        TokenWidth = TokenWidth,
        // A byte less than a fourth photo would need.
        ShardBytes = ((PhotosPerShard + 1) * TokenCount * TokenWidth * 2) - 1,
        Origin = new Dictionary<string, string> { ["model"] = "m\"ö\n" },
    };

    private readonly List<string> _warnings = [];

    private string Output => Folder.File("out");

    private string Sidecar => Path.Combine(Output, "tokens.jsonl");

    [SetUp]
    public void ForgetWarnings() => _warnings.Clear();

    [Test]
    public void Shards_and_sidecar_have_every_photo_once()
    {
        Complete(8);
        string[] lines = File.ReadAllLines(Sidecar);
        Assert.That(lines, Has.Length.EqualTo(8));
        Assert.That(lines[0], Is.EqualTo("{\"file\":\"f/0-ö\\\".jpg\",\"grid\":[1,5],\"shard\":" +
            "\"tokens-00000.safetensors\",\"tensor\":\"tokens.0\",\"status\":\"ok\",\"crc32\":" +
            $"{Crc32.HashToUInt32(Bytes(0))}}}"));
        Assert.That(lines[BadPhoto], Is.EqualTo("{\"file\":\"f/4-ö\\\".jpg\",\"status\":\"error\"," +
            "\"error\":\"bad 4\"}"));
        int good = 0;
        for (int photo = 0; photo < 8; photo++)
        {
            if (photo == BadPhoto)
                continue;
            using JsonDocument line = JsonDocument.Parse(lines[photo]);
            string shard = line.RootElement.GetProperty("shard").GetString()!;
            Assert.That(shard, Is.EqualTo($"tokens-{good / PhotosPerShard:D5}.safetensors"));
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Path.Combine(Output, shard));
            TensorInfo tensor = checkpoint.Find(line.RootElement.GetProperty("tensor").GetString()!)!;
            byte[] bytes = new byte[tensor.ByteCount];
            checkpoint.ReadBytes(tensor, 0, bytes);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(bytes, Is.EqualTo(Bytes(photo)));
                Assert.That(tensor.Shape, Is.EqualTo(new long[] { TokenCount, TokenWidth }));
                Assert.That(tensor.Type, Is.EqualTo(TensorType.BF16));
                Assert.That(checkpoint.Metadata["model"], Is.EqualTo("m\"ö\n"));
            }

            good++;
        }

        Assert.That(Names(), Is.EqualTo((string[])["tokens-00000.safetensors", "tokens-00001.safetensors",
            "tokens-00002.safetensors", "tokens.jsonl", "tokens.run.json"]));
    }

    /// <summary>A process can die after any number of photos, in the middle of a line, after tokens without a line, and
    /// before the new name of a shard.</summary>
    [Test]
    public void A_run_that_was_killed_at_any_step_continues_to_the_same_files([Range(0, 8)] int doneCount)
    {
        Complete(8);
        Dictionary<string, byte[]> expected = Snapshot();
        foreach (string kill in (string[])["", "line", "tokens", "name"])
        {
            Directory.Delete(Output, recursive: true);
            using (TokenStore store = Open())
                Add(store, 0, doneCount);
            string? part = Directory.GetFiles(Output, "*.part").SingleOrDefault();
            string? shard = Directory.GetFiles(Output, "*.safetensors").Order().LastOrDefault();
            if (kill == "line")
                File.AppendAllText(Sidecar, "{\"file\":\"f/");
            else if (kill == "tokens" && part is not null)
                File.AppendAllText(part, "tokens of a photo without a line");
            else if (kill == "name" && part is null && shard is not null)
                File.Move(shard, shard + ".part");
            using (TokenStore store = Open())
            {
                int addedCount = Add(store, 0, 8);
                Assert.That(addedCount, Is.EqualTo(8 - doneCount), "no recorded photo is computed again");
                store.Complete();
            }

            using (Assert.EnterMultipleScope())
            {
                Assert.That(Snapshot(), Is.EqualTo(expected), kill);
                Assert.That(_warnings, Is.Empty, kill);
            }
        }
    }

    [TestCase("shorter")]
    [TestCase("zeros")]
    [TestCase("missing")]
    public void Lines_whose_tokens_were_lost_with_the_power_are_computed_again(string loss)
    {
        Complete(8);
        Dictionary<string, byte[]> expected = Snapshot();
        Directory.Delete(Output, recursive: true);
        using (TokenStore store = Open())
            Add(store, 0, 6);
        string part = Directory.GetFiles(Output, "*.part").Single();
        byte[] bytes = File.ReadAllBytes(part);
        if (loss == "shorter")
            File.WriteAllBytes(part, bytes[..^1]);
        else if (loss == "zeros")
            File.WriteAllBytes(part, [.. bytes[..^12], .. new byte[12]]);
        else
            File.Delete(part);
        using (TokenStore store = Open())
        {
            // Photos 3 and 5 were in the open shard; 4, which is bad, was recorded between them.
            Assert.That(Add(store, 0, 8), Is.EqualTo(loss == "missing" ? 5 : 3));
            store.Complete();
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Snapshot(), Is.EqualTo(expected));
            Assert.That(_warnings, Has.Count.EqualTo(1));
            Assert.That(_warnings[0], Does.Contain("tokens-00001.safetensors.part: expected the tokens of 2 photos, " +
                $"found those of {(loss == "missing" ? 0 : 1)}"));
        }
    }

    [Test]
    public void Lines_of_zeros_at_the_end_are_removed()
    {
        Complete(8);
        Dictionary<string, byte[]> expected = Snapshot();
        using (FileStream sidecar = File.Open(Sidecar, FileMode.Append))
            sidecar.Write([0, 0, 0, (byte)'\n', 0]);
        Complete(8);
        Assert.That(Snapshot(), Is.EqualTo(expected));
    }

    [Test]
    public void Bad_photos_are_tried_again_if_asked()
    {
        Complete(8);
        using (TokenStore store = TokenStore.Open(Output, s_settings, retryErrors: true, _warnings.Add, default))
        {
            Assert.That(store.IsDone(PhotoId.Of(Name(BadPhoto))), Is.False);
            store.Add(Name(BadPhoto), new PatchGrid(1, 1), Bytes(BadPhoto));
            store.Complete();
        }

        string[] lines = File.ReadAllLines(Sidecar);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(lines, Has.Length.EqualTo(8));
            Assert.That(lines[^1], Does.Contain("f/4").And.Contain("tokens-00003.safetensors").And.Contain("\"ok\""));
            Assert.That(string.Concat(lines), Does.Not.Contain("bad 4"));
        }
    }

    [Test]
    public void Other_settings_and_a_second_process_are_errors()
    {
        using (TokenStore first = Open())
        {
            Add(first, 0, 1);
            Fails(() => Open(), "another process writes tokens here");
        }

        Fails(() => Open(s_settings with { Share = new WorkShare(2, 7) }), "tokens.run.json", "parts of 7",
            "all photos");
        Fails(() => Open(s_settings with { Type = TensorType.F16 }), "tokens.run.json", "--dtype bf16, now f16");
        Fails(() => Open(s_settings with { Origin = new Dictionary<string, string>() }),
            "the content of --model m", "now not given");
        File.Delete(Path.Combine(Output, "tokens.run.json"));
        Fails(() => Open(), "tokens.run.json", "found no file");
    }

    [Test]
    public void A_damaged_output_is_an_error_that_names_the_file()
    {
        Complete(8);
        string shard = Path.Combine(Output, "tokens-00000.safetensors");
        byte[] bytes = File.ReadAllBytes(shard);
        File.Delete(shard);
        Fails(() => Open(), "tokens-00000.safetensors", "of 3 photos", "found no file");
        File.WriteAllBytes(shard, bytes[..^1]);
        Fails(() => Open(), "tokens-00000.safetensors", $"found {bytes.Length - 1} bytes");
        File.WriteAllBytes(shard, bytes);
        string[] lines = File.ReadAllLines(Sidecar);
        File.WriteAllLines(Sidecar, [lines[0], "{}", .. lines[2..]]);
        Fails(() => Open(), "tokens.jsonl, line 2", "damaged");
        File.WriteAllLines(Sidecar, [lines[0], .. lines[2..]]);
        Fails(() => Open(), "tokens.jsonl, line 2", "expected the tensor tokens.1, found 'tokens.2'");
        File.WriteAllLines(Sidecar, [.. lines, lines[BadPhoto]]);
        Fails(() => Open(), "tokens.jsonl, line 9", "again");
        File.Delete(Sidecar);
        Fails(() => Open(), "tokens-00000.safetensors", "does not list it");
    }

    private static string Name(int photo) => $"f/{photo}-ö\".jpg";

    private static byte[] Bytes(int photo)
    {
        float[] tokens = [.. Enumerable.Range(0, TokenCount * TokenWidth).Select(index => photo + (index / 8f))];
        return new TokenEncoder(TensorType.BF16).Encode(tokens).ToArray();
    }

    private static int Add(TokenStore store, int first, int end)
    {
        int count = 0;
        for (int photo = first; photo < end; photo++)
        {
            if (store.IsDone(PhotoId.Of(Name(photo))))
                continue;
            if (photo == BadPhoto)
                store.AddError(Name(photo), $"bad {photo}");
            else
                store.Add(Name(photo), new PatchGrid(1, 5), Bytes(photo));
            count++;
        }

        return count;
    }

    private static void Fails(Action action, params string[] words)
    {
        string message = Assert.Throws<InputException>(() => action()).Message;
        foreach (string word in words)
            Assert.That(message, Does.Contain(word));
    }

    private TokenStore Open(StoreSettings? settings = null)
        => TokenStore.Open(Output, settings ?? s_settings, retryErrors: false, _warnings.Add, default);

    private void Complete(int count)
    {
        using TokenStore store = Open();
        Add(store, 0, count);
        store.Complete();
    }

    private string[] Names() => [.. Directory.GetFiles(Output).Select(file => Path.GetFileName(file)!)
        .Where(name => !name.EndsWith(".lock", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private Dictionary<string, byte[]> Snapshot()
        => Names().ToDictionary(name => name, name => File.ReadAllBytes(Path.Combine(Output, name)));
}
