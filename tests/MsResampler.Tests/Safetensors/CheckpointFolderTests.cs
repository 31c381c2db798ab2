using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

/// <summary>The choice of the checkpoint in a folder.</summary>
internal sealed class CheckpointFolderTests : TemporaryFolderFixture
{
    private const string Index = "model.safetensors.index.json";
    private const string Single = "model.safetensors";

    [Test]
    public void A_folder_is_searched_in_the_documented_order()
    {
        Assert.That(() => SafetensorsCheckpoint.Open(Folder.Path), Throws.InstanceOf<FileNotFoundException>());
        Assert.That(() => SafetensorsCheckpoint.Open(Folder.File("none")), Throws.InstanceOf<FileNotFoundException>()
            .With.Property(nameof(FileNotFoundException.FileName)).EqualTo(Folder.File("none")));

        Write("x.safetensors", "a", "b");
        WriteText("x.safetensors.bak", "");
        Assert.That(Opened(), Is.EqualTo("x.safetensors"));

        Write("y.safetensors", "a");
        Assert.That(Ambiguous(), Does.Contain("x.safetensors, y.safetensors"));

        Write(Single, "a", "b");
        Assert.That(Opened(), Is.EqualTo(Single));

        WriteIndex("z.safetensors.index.json", ("a", "y.safetensors"));
        Assert.That(Opened("z.safetensors.index.json"), Is.EqualTo(Single));
        File.Delete(Folder.File(Single));
        Assert.That(Opened(), Is.EqualTo("z.safetensors.index.json"));

        WriteIndex("y.safetensors.index.json", ("a", "y.safetensors"));
        Assert.That(Ambiguous(), Does.Contain("y.safetensors.index.json, z.safetensors.index.json"));
        Write(Single, "a", "b");
        Assert.That(Opened("y.safetensors.index.json", "z.safetensors.index.json"), Is.EqualTo(Single));
        File.Delete(Folder.File(Single));

        WriteIndex(Index, ("a", "y.safetensors"));
        Assert.That(Opened(), Is.EqualTo(Index));
    }

    [Test]
    public void A_complete_file_wins_over_an_index_with_missing_shards()
    {
        Write(Single, "a", "b");
        WriteIndex(Index, ("a", "model-00001-of-00002.safetensors"), ("c", "model-00002-of-00002.safetensors"));
        Assert.That(Opened(Index), Is.EqualTo(Single), "all are missing");

        Write("model-00001-of-00002.safetensors", "a");
        Assert.That(Opened(Index), Is.EqualTo(Single), "one is missing");
    }

    [Test]
    public void A_file_wins_over_incomplete_shards_with_other_tensors()
    {
        Write(Single, "a");
        Write("1.safetensors", "b");
        WriteIndex(Index, ("b", "1.safetensors"), ("c", "2.safetensors"));

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.Path);

        Assert.That(checkpoint.SourcePath, Is.EqualTo(Folder.File(Single)));
        Assert.That(checkpoint.Warnings.Single(), Is.EqualTo(
            $"{Folder.File(Index)} was ignored: not all of its shards can be used"));
    }

    [Test]
    public void A_file_that_is_a_shard_does_not_win_over_its_index()
    {
        Write(Single, "a");
        Write("1.safetensors", "b");
        WriteIndex(Index, ("a", Single), ("b", "1.safetensors"), ("c", "2.safetensors"));

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.Path);

        Assert.That(checkpoint.SourcePath, Is.EqualTo(Folder.File(Index)));
    }

    [TestCase("")]
    [TestCase("{")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("version https://git-lfs.github.com/spec/v1\n")]
    [TestCase("""{"weight_map":{"a":"../x.safetensors"}}""")]
    public void A_complete_file_wins_over_an_invalid_index(string json)
    {
        Write(Single, "a", "b");
        WriteText(Index, json);

        Assert.That(Opened(Index), Is.EqualTo(Single));
    }

    [Test]
    public void A_complete_file_wins_over_an_index_with_all_its_shards()
    {
        Write(Single, "a", "b", "c");
        Write("1.safetensors", "a");
        Write("2.safetensors", "b");
        WriteIndex(Index, ("a", "1.safetensors"), ("b", "2.safetensors"), ("rope.inv_freq", "2.safetensors"));

        Assert.That(Opened(Index), Is.EqualTo(Single));
    }

    [Test]
    public void A_complete_file_wins_over_a_truncated_shard()
    {
        Write(Single, "a", "b");
        WriteText("1.safetensors", "x");
        WriteIndex(Index, ("a", "1.safetensors"));

        Assert.That(Opened(Index), Is.EqualTo(Single));
    }

    [Test]
    public void An_incomplete_file_does_not_hide_a_sharded_checkpoint()
    {
        Write(Single, "a");
        Write("1.safetensors", "a");
        Write("2.safetensors", "b", "c");
        WriteIndex(Index, ("a", "1.safetensors"), ("b", "2.safetensors"), ("c", "2.safetensors"));

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.Path);

        Assert.That(Path.GetFileName(checkpoint.SourcePath), Is.EqualTo(Index));
        Assert.That(checkpoint.Warnings.Single(), Is.EqualTo(
            $"{Folder.File(Single)} was ignored: it lacks tensor 'b' and 1 more, which '{Index}' names"));
    }

    [Test]
    public void A_shard_is_not_taken_for_the_whole_checkpoint()
    {
        Write(Single, "a");
        Write("more.safetensors", "b");
        WriteIndex(Index, ("a", Single), ("b", "more.safetensors"));
        Assert.That(Opened(), Is.EqualTo(Index));

        File.Delete(Folder.File("more.safetensors"));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.Path);
        Assert.That(checkpoint.Tensors.Single().Name, Is.EqualTo("a"));
        Assert.That(checkpoint.Warnings, Has.All.Contains("more.safetensors"));
    }

    [Test]
    public void An_index_of_one_file_causes_no_warning()
    {
        Write(Single, "a", "b");
        WriteIndex(Index, ("a", Single), ("b", Single));

        Assert.That(Opened(), Is.EqualTo(Single));
    }

    [Test]
    public void The_only_other_file_is_used_if_all_shards_are_missing()
    {
        Write("weights.safetensors", "a");
        WriteIndex(Index, ("a", "model-00001-of-00001.safetensors"));

        Assert.That(Opened(Index), Is.EqualTo("weights.safetensors"));
    }

    [Test]
    public void A_Git_LFS_pointer_does_not_hide_a_sharded_checkpoint()
    {
        WriteText(Single, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
        Write("1.safetensors", "a");
        WriteIndex(Index, ("a", "1.safetensors"));

        Assert.That(Opened(Single), Is.EqualTo(Index));
    }

    [Test]
    public void A_truncated_file_is_an_error_even_if_there_are_shards()
    {
        WriteText(Single, "x");
        Write("1.safetensors", "a");
        WriteIndex(Index, ("a", "1.safetensors"));

        Assert.That(() => SafetensorsCheckpoint.Open(Folder.Path), Throws.TypeOf<SafetensorsException>()
            .With.Property(nameof(SafetensorsException.Error)).EqualTo(SafetensorsError.FileTooShort)
            .And.Message.Contains($"without this file, '{Index}' would be opened"));
    }

    [TestCase("._model.safetensors.index.json")]
    [TestCase("._model.safetensors")]
    [TestCase("._weights.safetensors")]
    [TestCase(".hidden.safetensors")]
    [TestCase(".DS_Store")]
    public void Hidden_files_are_ignored(string hidden)
    {
        foreach (string name in new[] { Single, "weights.safetensors" })
        {
            Write(name, "a");
            File.WriteAllBytes(Folder.File(hidden), [0, 5, 0x16, 7, 0, 2, 0, 0, .. "Mac OS X        "u8]);
            Assert.That(Opened(), Is.EqualTo(name));
            File.Delete(Folder.File(name));
        }

        Assert.That(() => SafetensorsCheckpoint.Open(Folder.Path), Throws.TypeOf<FileNotFoundException>());
    }

    [TestCase("old.safetensors")]
    [TestCase("old.safetensors.index.json")]
    [TestCase("model.safetensors.index.json")]
    [TestCase("model.safetensors")]
    public void Dangling_links_are_ignored(string link)
    {
        File.CreateSymbolicLink(Folder.File(link), "/nonexistent");
        Write("weights.safetensors", "a");

        Assert.That(Opened(), Is.EqualTo("weights.safetensors"));
    }

    [Test]
    public void A_link_to_a_file_is_used()
    {
        Write("blob", "a");
        File.CreateSymbolicLink(Folder.File(Single), "blob");

        Assert.That(Opened(), Is.EqualTo(Single));
    }

    [Test]
    public void The_error_of_a_missing_checkpoint_lists_the_files()
    {
        string Found() => Assert.Throws<FileNotFoundException>(() => SafetensorsCheckpoint.Open(Folder.Path))!.Message;
        Assert.That(Found(), Does.EndWith("found none"));

        WriteText("pytorch_model.bin", "");
        Assert.That(Found(), Does.EndWith("found none, but 'pytorch_model.bin'; convert it to safetensors"));

        File.CreateSymbolicLink(Folder.File(Single), "../blobs/1234");
        Assert.That(Found(), Does.EndWith("which is a link to '../blobs/1234', where no file is"));

        File.Delete(Folder.File(Single));
        Directory.CreateDirectory(Folder.File(Single));
        Assert.That(Found(), Does.EndWith($"found '{Single}', which is a folder"));
    }

    /// <summary>The name of the opened file, if the other files are each ignored with a warning.</summary>
    private string Opened(params string[] ignored)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.Path);
        Assert.That(checkpoint.Warnings.Select(warning => warning.Split(" was ignored: ")[0]),
            Is.EqualTo(ignored.Select(Folder.File)));
        return Path.GetRelativePath(Folder.Path, checkpoint.SourcePath);
    }

    private string Ambiguous()
    {
        SafetensorsException exception =
            Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(Folder.Path))!;
        Assert.That(exception.Error, Is.EqualTo(SafetensorsError.AmbiguousFolder));
        return exception.Message;
    }

    private void Write(string name, params string[] tensors) => SafetensorsWriter.Write(Folder.File(name),
        tensors.Select(tensor => new TensorToWrite(tensor, TensorType.F32, [], new[] { 1f })));

    private void WriteText(string name, string text) => File.WriteAllText(Folder.File(name), text);

    private void WriteIndex(string name, params (string Tensor, string Shard)[] entries) => WriteText(name,
        "{\"weight_map\":{" +
            string.Join(',', entries.Select(entry => $"\"{entry.Tensor}\":\"{entry.Shard}\"")) + "}}");
}
