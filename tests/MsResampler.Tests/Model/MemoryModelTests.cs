using System.IO.Compression;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Models whose files are in memory or in streams.</summary>
public sealed class MemoryModelTests
{
    private static readonly PatchGrid s_grid = new(4, 5);

    private TemporaryFolder _folder = null!;
    private byte[] _checkpoint = null!;
    private byte[] _config = null!;
    private float[] _features = null!;
    private float[] _expected = null!;

    [OneTimeSetUp]
    public void Create()
    {
        _folder = new TemporaryFolder();
        _config = Encoding.UTF8.GetBytes(ConfigJson.Of(Configs.Mixed));
        RandomModel.Write(_folder.Path, Configs.Mixed, _config, 1);
        _checkpoint = File.ReadAllBytes(_folder.File("model.safetensors"));
        using Resampler resampler = Resampler.Load(_folder.Path);
        _features = [.. Enumerable.Range(0, resampler.FeatureLength(s_grid)).Select(index => MathF.Sin(index))];
        _expected = resampler.Resample(_features, s_grid);
    }

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [Test]
    public void Bytes_give_the_tokens_of_their_files()
    {
        using Resampler resampler = Resampler.Load(_checkpoint, _config);
        using Resampler marked = Resampler.Load(_checkpoint, new byte[] { 0xef, 0xbb, 0xbf }.Concat(_config).ToArray());

        Assert.That(resampler.Resample(_features, s_grid), Is.EqualTo(_expected));
        Assert.That(marked.Resample(_features, s_grid), Is.EqualTo(_expected), "with a byte order mark");
    }

    [Test]
    public void Streams_give_the_tokens_of_their_files()
    {
        using MemoryStream zip = new();
        using (ZipArchive archive = new(zip, ZipArchiveMode.Create, leaveOpen: true))
        {
            using (Stream entry = archive.CreateEntry("model.safetensors").Open())
                entry.Write(_checkpoint);
            using (Stream entry = archive.CreateEntry("config.json").Open())
                entry.Write(_config);
        }

        using ZipArchive opened = new(zip);
        // The stream of an entry cannot seek and returns parts. Both are read from a position that is not the start.
        using Stream weights = opened.GetEntry("model.safetensors")!.Open();
        using MemoryStream json = new([1, 2, .. _config]) { Position = 2 };

        using Resampler resampler = Resampler.Load(weights, json);

        Assert.That(resampler.Resample(_features, s_grid), Is.EqualTo(_expected));
        Assert.That(json.CanRead, "the stream stays open");
    }

    [Test]
    public void An_open_model_in_memory_is_like_one_in_a_folder()
    {
        using ResamplerModel model = ResamplerModel.Open(_checkpoint, _config);
        using ResamplerModel file = ResamplerModel.Open(_folder.Path);
        using TemporaryFolder copy = new();

        ModelWriter.Write(copy.File("written"), model);
        // The current folder is not the folder of a model in memory.
        Assert.That(ModelWriter.IsFolderOf(Environment.CurrentDirectory, model), Is.False);
        Assert.That(model.Checkpoint!.Tensors.Select(tensor => tensor.Name),
            Is.EqualTo(file.Checkpoint!.Tensors.Select(tensor => tensor.Name)));
        Assert.That(model.Checkpoint.SourcePath, Is.EqualTo("the checkpoint in memory"));
        using Resampler resampler = Resampler.Load(copy.File("written"));
        Assert.That(resampler.Resample(_features, s_grid), Is.EqualTo(_expected));
        TensorInfo tensor = model.Checkpoint.Tensors[0];
        SafetensorsCheckpoint checkpoint = model.Checkpoint;
        model.Dispose();
        Assert.That(() => checkpoint.ReadBytes(tensor, 0, new byte[1]), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_missing_or_wrong_configuration_is_named()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ResamplerModel.Open(_checkpoint), Throws.TypeOf<InvalidModelException>()
                .With.Message.EqualTo("the configuration in memory: expected the model's configuration, found none; " +
                    "pass config.json, too"));
            Assert.That(() => Resampler.Load(new MemoryStream(_checkpoint)), Throws.TypeOf<InvalidModelException>());
            Assert.That(() => ResamplerModel.Open(_checkpoint, "{]"u8.ToArray()), Throws.TypeOf<InvalidModelException>()
                .With.Message.StartsWith("the configuration in memory: expected JSON"));
            Assert.That(() => ResamplerModel.Open(_checkpoint, "{}"u8.ToArray(), CheckpointLayout.MsResampler),
                Throws.TypeOf<InvalidModelException>().With.Message.StartsWith("the configuration in memory: "));
            byte[] large = new byte[(16 << 20) + 1];
            Assert.That(() => ResamplerModel.Open(_checkpoint, large), Throws.TypeOf<InvalidModelException>()
                .With.Message.EqualTo("the configuration in memory: expected at most 16777216 bytes, found 16777217"));
            Assert.That(() => ResamplerModel.Open(new MemoryStream(_checkpoint), new MemoryStream(large)),
                Throws.TypeOf<InvalidModelException>().With.Message.Contains("found 16777217"));
            Assert.That(() => ResamplerModel.Open((Stream)null!), Throws.ArgumentNullException);
        }
    }

    [Test]
    public void Problems_of_the_weights_are_those_of_files()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"), [BoundWeights.Zeros("x", 1)]);
        File.WriteAllBytes(folder.File("config.json"), _config);
        byte[] weights = File.ReadAllBytes(folder.File("model.safetensors"));
        string message = Assert.Throws<InvalidModelException>(() => ResamplerModel.Open(folder.Path))!.Message;

        string found = Assert.Throws<InvalidModelException>(() => ResamplerModel.Open(weights, _config))!.Message;

        Assert.That(found, Does.StartWith("the checkpoint in memory: "));
        Assert.That(found[found.IndexOf(": ", StringComparison.Ordinal)..],
            Is.EqualTo(message[message.IndexOf(": ", StringComparison.Ordinal)..]));
    }

    [Test]
    public void A_checkpoint_that_ends_early_is_an_error_at_every_length()
    {
        int headerBytes = 8 + (int)BitConverter.ToInt64(_checkpoint);
        foreach (int length in Enumerable.Range(0, headerBytes + 2).Append(_checkpoint.Length - 1))
        {
            Assert.That(() => ResamplerModel.Open(_checkpoint.AsMemory(0, length), _config),
                Throws.TypeOf<SafetensorsException>().With.Message.StartsWith("the checkpoint in memory: "));
        }
    }

    /// <summary>A stream is kept in blocks of 4 MiB.</summary>
    [Test]
    public void Reads_cross_the_blocks_of_a_stream([Values(0, 1, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9_000_000)]
        int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        using MemoryStream stream = new(bytes);

        CheckpointBytes found = CheckpointBytes.ReadToEnd(stream, CancellationToken.None);

        byte[] all = new byte[length];
        found.Read(0, all);
        Assert.That(found.Length, Is.EqualTo(length));
        Assert.That(all.AsSpan().SequenceEqual(bytes));
        foreach (int boundary in new[] { 4 << 20, 8 << 20 }.Where(boundary => boundary + 3 <= length))
        {
            byte[] part = new byte[6];
            found.Read(boundary - 3, part);
            Assert.That(part, Is.EqualTo(bytes[(boundary - 3)..(boundary + 3)]));
        }
    }

    [Test]
    public void Reading_a_stream_can_be_cancelled()
        => Assert.That(() => ResamplerModel.Open(new MemoryStream(_checkpoint), new MemoryStream(_config),
            cancellationToken: new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
}
