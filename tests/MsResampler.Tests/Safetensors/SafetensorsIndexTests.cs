using System.Text;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsError;

namespace MsResampler.Tests.Safetensors;

internal sealed class SafetensorsIndexTests : TemporaryFolderFixture
{
    [SetUp]
    public void WriteShards()
    {
        WriteShard("1.safetensors", ("a", 1), ("b", 2));
        WriteShard("2.safetensors", ("c", 3), ("unnamed", 4));
    }

    [Test]
    public void Tensors_come_from_the_shards_that_the_index_names()
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(WriteIndex(
            """{"metadata":{"total_size":12,"x":[{"y":null}]}""" +
                ""","weight_map":{"c":"2.safetensors","a":"1.safetensors","b":"1.safetensors"}}"""));
        Assert.That(checkpoint.SourcePath, Does.EndWith("model.safetensors.index.json"));
        Assert.That(checkpoint.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "a", "b", "c" }));
        Assert.That(checkpoint.Find("unnamed"), Is.Null, "a tensor that the index does not list does not exist");
        Assert.That(checkpoint.Metadata,
            Is.EqualTo(new Dictionary<string, string> { ["from"] = "1.safetensors" }));
        foreach (TensorInfo tensor in checkpoint.Tensors)
        {
            float[] value = new float[1];
            checkpoint.Read(tensor, 0, value);
            Assert.That(value[0], Is.EqualTo(tensor.Name[0] - 'a' + 1));
        }
    }

    [TestCase("", HeaderEmpty, "JSON object")]
    [TestCase("\ufeff{}", MissingField, "weight_map", "none")]
    [TestCase("[]", RootNotObject, "an array")]
    [TestCase("{}", MissingField, "weight_map", "none")]
    [TestCase("""{"weight_map":{},"weight_map":{}}""", DuplicateField, "weight_map once")]
    [TestCase("""{"weight_map":[]}""", EntryNotObject, "weight_map", "an array")]
    [TestCase("""{"weight_map":{"a":1}}""", ShardNotString, "'a'", "'1'")]
    [TestCase("""{"weight_map":{"a":"3.safetensors"}}""", MissingShard, "'3.safetensors'", "no such file")]
    [TestCase("""{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}""", TensorInTwoShards, "'a'",
        "'1.safetensors' and '2.safetensors'")]
    [TestCase("""{"weight_map":{"a":""}}""", ShardOutsideFolder, "'a'", "''")]
    [TestCase("""{"weight_map":{"a":"."}}""", ShardOutsideFolder, "'a'", "'.'")]
    [TestCase("""{"weight_map":{"a":".."}}""", ShardOutsideFolder, "'a'", "'..'")]
    [TestCase("""{"weight_map":{"a":"../1.safetensors"}}""", ShardOutsideFolder, "'a'", "'../1.safetensors'")]
    [TestCase("""{"weight_map":{"a":"x/../../1.safetensors"}}""", ShardOutsideFolder, "'a'", "plain name")]
    [TestCase("""{"weight_map":{"a":"..\\1.safetensors"}}""", ShardOutsideFolder, "'a'", "plain name")]
    [TestCase("""{"weight_map":{"a":"\/etc\/passwd"}}""", ShardOutsideFolder, "'a'", "plain name")]
    [TestCase("""{"weight_map":{"a":"C:1.safetensors"}}""", ShardOutsideFolder, "'a'", "plain name")]
    [TestCase("""{"weight_map":{"a":"\\\\host\\share"}}""", ShardOutsideFolder, "'a'", "plain name")]
    [TestCase("""{"weight_map":{"a":"1.safetensors\u0000"}}""", ShardOutsideFolder, "'a'", "\\u0000")]
    public void A_wrong_index_is_rejected(string json, SafetensorsError error, params string[] messageParts)
    {
        string path = WriteIndex(json);
        SafetensorsException exception =
            Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(path))!;
        Assert.That(exception.Error, Is.EqualTo(error), exception.Message);
        foreach (string part in messageParts)
            Assert.That(exception.Message, Does.Contain(part));
    }

    [Test]
    public void A_byte_order_mark_before_the_index_is_skipped()
    {
        using SafetensorsCheckpoint checkpoint =
            SafetensorsCheckpoint.Open(WriteIndex("\ufeff{\"weight_map\":{\"c\":\"2.safetensors\"}}"));
        Assert.That(checkpoint.Tensors.Single().Name, Is.EqualTo("c"));
    }

    [Test]
    public void Of_duplicate_tensors_the_one_named_by_the_index_is_read()
    {
        WriteShard("3.safetensors", ("a", 5), ("z", 6));
        foreach ((string shard, float expected) in new[] { ("1.safetensors", 1f), ("3.safetensors", 5f) })
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(WriteIndex(
                $$$"""{"weight_map":{"a":"{{{shard}}}","b":"1.safetensors","z":"3.safetensors"}}"""));
            float[] value = new float[1];
            checkpoint.Read(checkpoint.Find("a")!, 0, value);
            Assert.That(value[0], Is.EqualTo(expected));
            Assert.That(checkpoint.Warnings, Is.Empty);
        }
    }

    [Test]
    public void Entries_without_a_tensor_in_their_shard_are_omitted()
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(WriteIndex(
            """
            {"weight_map":{"rope.inv_freq":"1.safetensors","a":"1.safetensors",
              "b":"2.safetensors","c":"2.safetensors"}}
            """));
        Assert.That(checkpoint.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "a", "c" }));
        Assert.That(checkpoint.Find("b"), Is.Null, "the index does not name its shard");
        Assert.That(checkpoint.Absent.Keys, Is.EquivalentTo(new[] { "rope.inv_freq", "b" }));
        Assert.That(checkpoint.Absent["b"], Does.Contain("'2.safetensors', which does not hold it"));
    }

    [Test]
    public void Missing_shards_are_omitted_with_a_warning()
    {
        File.WriteAllText(Folder.File("pointer.safetensors"),
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(WriteIndex(
            """
            {"weight_map":{"a":"1.safetensors","x":"gone.safetensors",
              "y":"gone.safetensors","z":"pointer.safetensors"}}
            """));
        Assert.That(checkpoint.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "a" }));
        Assert.That(checkpoint.Warnings, Has.Count.EqualTo(2));
        Assert.That(checkpoint.Warnings[0], Does.Contain("'gone.safetensors'").And.Contain("no such file"));
        Assert.That(checkpoint.Warnings[1], Does.Contain("'pointer.safetensors'").And.Contain("Git LFS pointer"));
        Assert.That(checkpoint.Absent.Keys, Is.EquivalentTo(new[] { "x", "y", "z" }));
    }

    [Test]
    public void An_index_without_any_shard_is_rejected()
    {
        string path = WriteIndex("""{"weight_map":{"x":"link.safetensors","y":"none.safetensors"}}""");
        File.CreateSymbolicLink(Folder.File("link.safetensors"), "/nonexistent/blob");
        SafetensorsException exception = Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(path))!;
        Assert.That(exception.Error, Is.EqualTo(MissingShard));
        Assert.That(exception.Message, Does.Contain("'link.safetensors'").And.Contain("a link to '/nonexistent/blob'"));
    }

    [Test]
    public void An_alias_and_its_tensor_may_be_in_different_shards()
    {
        SafetensorsWriter.Write(Folder.File("3.safetensors"),
            [new TensorToWrite("d", TensorType.F32, [], new[] { 8f })],
            new Dictionary<string, string> { ["tied"] = "a" });
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(
            WriteIndex("""{"weight_map":{"a":"1.safetensors","d":"3.safetensors"}}"""));
        Assert.That(checkpoint.Find("tied"), Is.SameAs(checkpoint.Find("a")));
    }

    [Test]
    public void An_index_above_the_size_limit_is_rejected_unread()
    {
        string path = WriteIndex("{}");
        using (FileStream stream = new(path, FileMode.Open))
            stream.SetLength(100_000_001);
        SafetensorsException exception =
            Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(path))!;
        Assert.That(exception.Error, Is.EqualTo(HeaderTooLong));
        Assert.That(exception.Message,
            Does.Contain("at most 100000000 bytes").And.Contain("found 100000001"));
    }

    [Test]
    public void A_wrong_shard_is_named()
    {
        File.WriteAllBytes(Folder.File("2.safetensors"), [1, 2, 3]);
        string path = WriteIndex("""{"weight_map":{"a":"1.safetensors","c":"2.safetensors"}}""");
        SafetensorsException exception =
            Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(path))!;
        Assert.That(exception.Error, Is.EqualTo(FileTooShort));
        Assert.That(exception.SourcePath, Is.EqualTo(Folder.File("2.safetensors")));
    }

    private string WriteIndex(string json)
    {
        string path = Folder.File("model.safetensors.index.json");
        File.WriteAllBytes(path, Encoding.UTF8.GetBytes(json));
        return path;
    }

    private void WriteShard(string name, params (string Name, float Value)[] scalars) =>
        SafetensorsWriter.Write(Folder.File(name),
            scalars.Select(scalar => new TensorToWrite(scalar.Name, TensorType.F32, [],
                new[] { scalar.Value })),
            new Dictionary<string, string> { ["from"] = name });
}
