using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

internal sealed class SafetensorsWriterTests : TemporaryFolderFixture
{
    [Test]
    public void The_bytes_equal_those_of_the_reference_implementation()
    {
        string path = Folder.File("a.safetensors");
        SafetensorsWriter.Write(path,
            [
                new TensorToWrite("b", TensorType.F16, [2], new float[] { 1, -2 }),
                new TensorToWrite("a", TensorType.F16, [], new float[] { 0.5f }),
                new TensorToWrite("z", TensorType.F32, [1, 1], new float[] { 1 }),
                TensorToWrite.FromBytes("é\"", TensorType.BOOL, [0], ReadOnlyMemory<byte>.Empty),
            ],
            new Dictionary<string, string> { ["format"] = "pt", ["author"] = "x" });

        const string Header = """{"__metadata__":{"author":"x","format":"pt"}""" +
            ""","z":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}""" +
            ""","a":{"dtype":"F16","shape":[],"data_offsets":[4,6]}""" +
            ""","b":{"dtype":"F16","shape":[2],"data_offsets":[6,10]}""" +
            ""","é\"":{"dtype":"BOOL","shape":[0],"data_offsets":[10,10]}}""";
        byte[] header = Encoding.UTF8.GetBytes(Header);
        int padded = (header.Length + 7) / 8 * 8;
        byte[] expected =
        [
            .. BitConverter.GetBytes((long)padded), .. header,
                .. Enumerable.Repeat((byte)' ', padded - header.Length),
            0, 0, 0x80, 0x3f, 0, 0x38, 0, 0x3c, 0, 0xc0,
        ];
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(expected));
    }

    [Test]
    public void A_file_that_is_read_and_rewritten_has_the_same_bytes()
    {
        string first = Folder.File("first.safetensors");
        string second = Folder.File("second.safetensors");
        byte[] bytes = new byte[24 * sizeof(long)];
        new Random(1).NextBytes(bytes);
        // 24 elements fill whole bytes in every type.
        TensorToWrite[] tensors = [.. Enum.GetValues<TensorType>().Select(type => TensorToWrite.FromBytes(
            "tensor of " + type, type, [2, 3, 4],
                bytes.AsMemory(0, 3 * TensorTypes.BitsOf(type)).ToArray()))];
        SafetensorsWriter.Write(first, tensors, new Dictionary<string, string> { ["key"] = "value" });

        using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(first))
        {
            SafetensorsWriter.Write(second,
                checkpoint.Tensors.Select(tensor => TensorToWrite.FromBytes(tensor.Name, tensor.Type, tensor.Shape,
                    (position, span) => checkpoint.ReadBytes(tensor, position, span))),
                checkpoint.Metadata);
        }

        Assert.That(File.ReadAllBytes(second), Is.EqualTo(File.ReadAllBytes(first)));
    }

    [TestCase(TensorType.F32)]
    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    [TestCase(TensorType.F64)]
    public void Produced_values_are_requested_once_in_order_and_read_back(TensorType type)
    {
        const int Count = (1 << 20) + 3; // several blocks, and a part of one
        string path = Folder.File("a.safetensors");
        long next = 0;
        SafetensorsWriter.Write(path, [new TensorToWrite("t", type, [Count], (first, span) =>
        {
            Assert.That(first, Is.EqualTo(next));
            next += span.Length;
            for (int index = 0; index < span.Length; index++)
                span[index] = ValueAt(first + index);
        })]);

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        float[] values = new float[Count];
        checkpoint.Read(checkpoint.Find("t")!, 0, values);
        Assert.That(next, Is.EqualTo(Count));
        for (int index = 0; index < Count; index++)
            if (values[index] != ValueAt(index))
                Assert.Fail($"element {index}: {values[index]} instead of {ValueAt(index)}");

        // Small integers, exact in every type.
        static float ValueAt(long index) => (index * 7 % 251) - 125;
    }

    [Test]
    public void The_order_of_the_tensors_does_not_matter()
    {
        TensorToWrite[] tensors = [.. Enumerable.Range(0, 20).Select(index =>
            new TensorToWrite($"t{index}", index % 2 == 0 ? TensorType.BF16 : TensorType.F64, [index],
                Enumerable.Repeat(index + 0.5f, index).ToArray()))];
        SafetensorsWriter.Write(Folder.File("a"), tensors,
            new Dictionary<string, string> { ["a"] = "1", ["b"] = "2" });
        SafetensorsWriter.Write(Folder.File("b"), tensors.Reverse(),
            new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" });
        Assert.That(File.ReadAllBytes(Folder.File("b")), Is.EqualTo(File.ReadAllBytes(Folder.File("a"))));
    }

    [Test]
    public void Names_and_metadata_with_any_text_are_read_back()
    {
        string[] names = ["", "a\"b\\c/d", "\0\u001b\n", "é€😀", "\u007f\u0085\u2028\ufffd", "dtype"];
        SafetensorsWriter.Write(Folder.File("a"),
            names.Select(name => new TensorToWrite(name, TensorType.F32, [1], new float[1])),
            names.ToDictionary(name => name));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.File("a"));
        Assert.That(checkpoint.Tensors.Select(tensor => tensor.Name), Is.EquivalentTo(names));
        Assert.That(checkpoint.Metadata, Is.EquivalentTo(names.ToDictionary(name => name)));
    }

    [Test]
    public void An_open_checkpoint_can_be_overwritten_and_still_be_read()
    {
        string path = Folder.File("a.safetensors");
        SafetensorsWriter.Write(path, [new TensorToWrite("t", TensorType.F32, [], new[] { 1f })]);
        using SafetensorsCheckpoint before = SafetensorsCheckpoint.Open(path);
        if (OperatingSystem.IsWindows())
        {
            Assert.That(() => SafetensorsWriter.Write(path, []),
                Throws.InstanceOf<IOException>().Or.InstanceOf<UnauthorizedAccessException>());
            return;
        }

        SafetensorsWriter.Write(path, [new TensorToWrite("t", TensorType.F32, [], new[] { 2f })]);
        using SafetensorsCheckpoint after = SafetensorsCheckpoint.Open(path);
        float[] values = new float[2];
        before.Read(before.Find("t")!, 0, values.AsSpan(0, 1));
        after.Read(after.Find("t")!, 0, values.AsSpan(1, 1));
        Assert.That(values, Is.EqualTo(new[] { 1f, 2f }));
    }

    [Test]
    public void A_failed_write_leaves_the_old_file()
    {
        string path = Folder.File("a.safetensors");
        File.WriteAllText(path, "before");
        Assert.That(() => SafetensorsWriter.Write(path,
            [new TensorToWrite("t", TensorType.F32, [1 << 20], (first, _) =>
        {
            Assert.That(Directory.GetFiles(Folder.Path), Has.Length.EqualTo(2),
                "the temporary file is in the same folder");
            if (first > 0)
                throw new InvalidOperationException("no more");
        })]), Throws.InvalidOperationException.With.Message.EqualTo("no more"));
        AssertUntouched(path);

        using CancellationTokenSource cancellation = new();
        Assert.That(() => SafetensorsWriter.Write(path,
            [new TensorToWrite("t", TensorType.F16, [1 << 20], (_, _) => cancellation.Cancel())],
            cancellationToken: cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        AssertUntouched(path);
    }

    [Test]
    public void Invalid_tensors_are_rejected_before_any_file_is_changed()
    {
        string path = Folder.File("a.safetensors");
        File.WriteAllText(path, "before");
        TensorToWrite tensor = new("w", TensorType.F32, [1], new float[1]);
        Assert.That(() => SafetensorsWriter.Write(path, [tensor, tensor]), Refused("'w'", "once", "twice"));
        Assert.That(() => SafetensorsWriter.Write(path,
            [TensorToWrite.FromBytes("a", TensorType.U8, [long.MaxValue / 8], (_, _) => { }),
            .. Enumerable.Range(0, 8).Select(index => TensorToWrite.FromBytes($"b{index}", TensorType.U8,
                [long.MaxValue / 8], (_, _) => { }))]),
            Refused("'b7'", "2^63"));
        Assert.That(() => SafetensorsWriter.Write(path, [],
            new Dictionary<string, string> { ["k"] = new string('x', 100_000_000) }),
            Refused("at most 100000000 bytes"));
        Assert.That(() => SafetensorsWriter.Write(path, [],
            new Dictionary<string, string> { ["k"] = "\ud800" }), Refused("'k'", "surrogate"));
        AssertUntouched(path);

        Assert.That(() => new TensorToWrite("__metadata__", TensorType.F32, [], new float[1]),
            Refused("__metadata__"));
        Assert.That(() => new TensorToWrite("\ud800", TensorType.F32, [], new float[1]),
            Refused("Expected text"));
        Assert.That(() => new TensorToWrite("w", TensorType.F32, [2, -1], new float[1]),
            Refused("'w'", "at least 0", "[2, -1]"));
        Assert.That(() => new TensorToWrite("w", TensorType.F32, [2, 3], new float[5]),
            Refused("'w'", "expected 6 values for F32 [2, 3]", "found 5"));
        Assert.That(() => new TensorToWrite("w", TensorType.I32, [1], new float[1]),
            Refused("'w'", "F32, F16, BF16 or F64", "found I32"));
        Assert.That(() => new TensorToWrite("w", TensorType.F32, [1L << 32, 1L << 32], (_, _) => { }),
            Refused("'w'", "2^63"));
        Assert.That(() => TensorToWrite.FromBytes("w", TensorType.F4, [3], new byte[2]),
            Refused("'w'", "whole bytes"));
        Assert.That(() => TensorToWrite.FromBytes("w", TensorType.I64, [3], new byte[23]),
            Refused("'w'", "expected 24 bytes", "found 23"));

        static NUnit.Framework.Constraints.Constraint Refused(params string[] parts) =>
            parts.Aggregate<string, NUnit.Framework.Constraints.Constraint>(
                Throws.InstanceOf<ArgumentException>(), (constraint, part) => constraint.And.Message.Contains(part));
    }

    private void AssertUntouched(string path)
    {
        Assert.That(Directory.GetFiles(Folder.Path), Is.EqualTo(new[] { path }));
        Assert.That(File.ReadAllText(path), Is.EqualTo("before"));
    }
}
