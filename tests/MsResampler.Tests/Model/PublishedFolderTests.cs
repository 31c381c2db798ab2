using System.Diagnostics;
using System.Globalization;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>The files in which published checkpoints are downloaded.</summary>
public class PublishedFolderTests
{
    private static readonly PublishedFamily s_family = PublishedFamily.Of("minicpm-v-4.5");

    private static (string Layout, string[] Warnings) Open(string path)
    {
        using ResamplerModel model = ResamplerModel.Open(path);
        Assert.That(model.Config.HiddenSize, Is.EqualTo(PublishedFamily.Width));
        return (model.Layout.Name, [.. model.Warnings]);
    }

    private static string Index(IEnumerable<(string Name, string File)> entries)
        => "{\"metadata\":{},\"weight_map\":{" +
            string.Join(',', entries.Select(entry => $"\"{entry.Name}\":\"{entry.File}\"")) + "}}";

    [Test]
    public void A_file_alone_is_a_model_as_a_path_and_in_a_folder([Values("a.safetensors", "model.safetensors")]
        string name)
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File(name), PublishedFamily.Of("qwen-vl").Tensors());

        Assert.That(Open(folder.File(name)), Is.EqualTo(("qwen-vl", Array.Empty<string>())));
        Assert.That(Open(folder.Path), Is.EqualTo(("qwen-vl", Array.Empty<string>())));
        string previous = Environment.CurrentDirectory;
        Assert.That(Open(Path.GetRelativePath(previous, folder.File(name))).Layout, Is.EqualTo("qwen-vl"));
    }

    [Test]
    public void The_configuration_beside_a_file_chooses_the_layout()
    {
        using TemporaryFolder folder = new();
        s_family.Write(folder.Path);

        Assert.That(Open(folder.File("model.safetensors")), Is.EqualTo(("minicpm-v-4.5", Array.Empty<string>())));
    }

    [Test]
    public void The_links_of_a_cache_are_followed([Values] bool isSharded)
    {
        using TemporaryFolder folder = new();
        string blobs = Directory.CreateDirectory(folder.File("blobs")).FullName;
        string snapshot = Directory.CreateDirectory(folder.File("snapshots/0123abcd")).FullName;
        int count = 0;
        void Add(string name, Action<string> write)
        {
            string blob = Path.Combine(blobs, $"hash{count++}");
            write(blob);
            File.CreateSymbolicLink(Path.Combine(snapshot, name), $"../../blobs/{Path.GetFileName(blob)}");
        }

        List<TensorToWrite> tensors = s_family.Tensors();
        Add(ResamplerModel.ConfigFileName, path => File.WriteAllText(path, s_family.Json));
        if (!isSharded)
        {
            Add("model.safetensors", path => SafetensorsWriter.Write(path, tensors));
        }
        else
        {
            TensorToWrite[] first = [.. tensors.Take(5), .. PublishedFamily.Others()];
            Add("model-00001-of-00002.safetensors", path => SafetensorsWriter.Write(path, first));
            Add("model-00002-of-00002.safetensors", path => SafetensorsWriter.Write(path, tensors.Skip(5)));
            Add("model.safetensors.index.json", path => File.WriteAllText(path, Index([
                .. first.Select(tensor => (tensor.Name, "model-00001-of-00002.safetensors")),
                .. tensors.Skip(5).Select(tensor => (tensor.Name, "model-00002-of-00002.safetensors"))])));
        }

        Assert.That(Open(snapshot), Is.EqualTo(("minicpm-v-4.5", Array.Empty<string>())));
        if (isSharded)
        {
            Assert.That(Open(Path.Combine(snapshot, "model.safetensors.index.json")).Layout,
                Is.EqualTo("minicpm-v-4.5"));
        }
    }

    [Test]
    public void A_configuration_whose_link_is_broken_is_a_warning()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"), PublishedFamily.Of("qwen-vl").Tensors());
        File.CreateSymbolicLink(folder.File(ResamplerModel.ConfigFileName), "../../blobs/gone");

        Assert.That(Open(folder.Path).Warnings, Is.EqualTo(new[]
        {
            $"{folder.File(ResamplerModel.ConfigFileName)} was ignored: found a link to '../../blobs/gone', where no " +
                "file is",
        }));
    }

    [TestCase(false, "no such file")]
    [TestCase(true, "a link to '../../blobs/gone', where no file is")]
    public void Shards_without_their_index_ask_for_it(bool isLinked, string found)
    {
        using TemporaryFolder folder = new();
        for (int shard = 1; shard <= 7; shard++)
            File.WriteAllText(folder.File($"model-{shard:d5}-of-00007.safetensors"), "");
        if (isLinked)
            File.CreateSymbolicLink(folder.File("model.safetensors.index.json"), "../../blobs/gone");

        Assert.That(() => Open(folder.Path), Throws.TypeOf<SafetensorsException>().With.Message.EndsWith(
            ": expected the index of the shards model-00001-of-00007.safetensors, model-00002-of-00007.safetensors, " +
            "model-00003-of-00007.safetensors, model-00004-of-00007.safetensors, model-00005-of-00007.safetensors " +
            $"and 2 more, 'model.safetensors.index.json', found {found}"));
    }

    [Test]
    public void A_missing_shard_of_the_language_model_is_a_warning()
    {
        using TemporaryFolder folder = new();
        List<TensorToWrite> tensors = s_family.Tensors();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), s_family.Json);
        SafetensorsWriter.Write(folder.File("2.safetensors"), tensors);
        File.WriteAllText(folder.File("model.safetensors.index.json"), Index([("llm.w", "1.safetensors"),
            .. tensors.Select(tensor => (tensor.Name, "2.safetensors"))]));

        (string layout, string[] warnings) = Open(folder.Path);

        Assert.That(layout, Is.EqualTo("minicpm-v-4.5"));
        Assert.That(warnings.Single(), Does.Contain("shard '1.safetensors' was left out"));
    }

    [Test]
    public void Of_a_large_checkpoint_only_headers_and_the_tensors_of_the_resampler_are_read()
    {
        const int ShardCount = 4;
        const long LanguageBytes = 4L << 30;
        using TemporaryFolder folder = new();
        long freeBytes = new DriveInfo(folder.Path).AvailableFreeSpace;
        List<(string Name, string File)> entries = [];
        for (int shard = 1; shard <= ShardCount; shard++)
        {
            string name = $"model-{shard:d5}-of-{ShardCount:d5}.safetensors";
            entries.AddRange(WriteSparse(folder.File(name), $"llm.model.layers.{shard}.mlp.up_proj.weight",
                LanguageBytes, shard == 2 ? s_family.Tensors() : []).Select(tensor => (tensor, name)));
            Skip.If(freeBytes - new DriveInfo(folder.Path).AvailableFreeSpace > LanguageBytes / 2,
                "the file system of the temporary folder has no sparse files");
        }

        File.WriteAllText(folder.File("model.safetensors.index.json"), Index(entries));
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), s_family.Json);
        Open(folder.Path); // compiles

        using Process process = Process.GetCurrentProcess();
        process.Refresh();
        long peakBytes = process.PeakWorkingSet64;
        long allocatedBytes = GC.GetTotalAllocatedBytes();
        long readBytes = ReadBytes();
        (string layout, string[] warnings) = Open(folder.Path);
        readBytes = ReadBytes() - readBytes;
        allocatedBytes = GC.GetTotalAllocatedBytes() - allocatedBytes;
        process.Refresh();
        peakBytes = process.PeakWorkingSet64 - peakBytes;

        using (Assert.EnterMultipleScope())
        {
            Assert.That((layout, warnings.Length), Is.EqualTo(("minicpm-v-4.5", 0)));
            Assert.That(readBytes, Is.LessThan(16L << 20), "the resampler has 2 MB");
            Assert.That(allocatedBytes, Is.LessThan(64L << 20));
            Assert.That(peakBytes, Is.LessThan(200L << 20));
        }

        // 16 GiB of zeros take longer to read.
        Measured.AssertBelow(2, "s", () =>
        {
            Stopwatch watch = Stopwatch.StartNew();
            Open(folder.Path);
            return watch.Elapsed.TotalSeconds;
        });
    }

    /// <summary>Writes a file whose first tensor is a hole. Returns the names of its tensors.</summary>
    private static string[] WriteSparse(string path, string languageName, long languageBytes,
        List<TensorToWrite> tensors)
    {
        List<string> entries = [Entry(languageName, "BF16", [languageBytes / 2], 0, languageBytes)];
        List<byte[]> values = [];
        if (tensors.Count > 0)
        {
            string small = path + ".small";
            SafetensorsWriter.Write(small, tensors);
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(small);
            long start = languageBytes;
            foreach (TensorInfo tensor in checkpoint.Tensors)
            {
                byte[] bytes = new byte[tensor.ByteCount];
                checkpoint.ReadBytes(tensor, 0, bytes);
                values.Add(bytes);
                entries.Add(Entry(tensor.Name, tensor.Type.ToString(), tensor.Shape, start, start + bytes.Length));
                start += bytes.Length;
            }
        }

        byte[] header = Encoding.UTF8.GetBytes("{" + string.Join(',', entries) + "}");
        using FileStream stream = File.Create(path);
        stream.Write(BitConverter.GetBytes((ulong)header.Length));
        stream.Write(header);
        stream.SetLength(stream.Position + languageBytes);
        stream.Position = stream.Length;
        foreach (byte[] bytes in values)
            stream.Write(bytes);
        return [languageName, .. tensors.Select(tensor => tensor.Name)];

        static string Entry(string name, string type, IEnumerable<long> shape, long first, long end)
            => $"\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}]," +
                $"\"data_offsets\":[{first},{end}]}}";
    }

    /// <summary>The number of bytes that this process has read from files, on Linux; 0 elsewhere.</summary>
    private static long ReadBytes() => !OperatingSystem.IsLinux() ? 0 : long.Parse(File.ReadLines("/proc/self/io")
        .Single(line => line.StartsWith("rchar: ", StringComparison.Ordinal))["rchar: ".Length..],
        CultureInfo.InvariantCulture);
}
