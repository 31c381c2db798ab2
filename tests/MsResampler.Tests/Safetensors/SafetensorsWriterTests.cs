using System.Text;
using MsResampler.Safetensors;
using NUnit.Framework;

namespace MsResampler.Tests.Safetensors;

public class SafetensorsWriterTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void Bytes_are_those_of_the_reference_implementation()
    {
        string path = _folder.File("a.safetensors");
        SafetensorsWriter.Write(path,
            [
                new TensorToWrite("b", TensorType.F16, [2], new float[] { 1, -2 }),
                new TensorToWrite("a", TensorType.F16, [], new float[] { 0.5f }),
                new TensorToWrite("z", TensorType.F32, [1, 1], new float[] { 1 }),
                TensorToWrite.FromBytes("é\"", TensorType.BOOL, [0], ReadOnlyMemory<byte>.Empty),
            ],
            new Dictionary<string, string> { ["format"] = "pt", ["author"] = "x" });

        const string Header = """
            {"__metadata__":{"author":"x","format":"pt"},"z":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"a":{"dtype":"F16","shape":[],"data_offsets":[4,6]},"b":{"dtype":"F16","shape":[2],"data_offsets":[6,10]},"é\"":{"dtype":"BOOL","shape":[0],"data_offsets":[10,10]}}
            """;
        byte[] header = Encoding.UTF8.GetBytes(Header);
        int padded = (header.Length + 7) / 8 * 8;
        byte[] expected =
        [
            .. BitConverter.GetBytes((long)padded), .. header, .. Enumerable.Repeat((byte)' ', padded - header.Length),
            0, 0, 0x80, 0x3f, 0, 0x38, 0, 0x3c, 0, 0xc0,
        ];
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(expected));
    }

    [Test]
    public void A_file_read_and_written_again_has_the_same_bytes()
    {
        string first = _folder.File("first.safetensors");
        string second = _folder.File("second.safetensors");
        byte[] bytes = new byte[24 * sizeof(long)];
        new Random(1).NextBytes(bytes);
        // 24 elements fill whole bytes in every type.
        TensorToWrite[] tensors = [.. Enum.GetValues<TensorType>().Select(type => TensorToWrite.FromBytes(
            "tensor of " + type, type, [2, 3, 4], bytes.AsMemory(0, 3 * TensorTypes.BitsOf(type)).ToArray()))];
        SafetensorsWriter.Write(first, tensors, new Dictionary<string, string> { ["key"] = "value" });

        using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(first))
        {
            SafetensorsWriter.Write(second, checkpoint.Tensors.Select(tensor => TensorToWrite.FromBytes(tensor.Name,
                tensor.Type, tensor.Shape, (position, span) => checkpoint.ReadBytes(tensor, position, span))), checkpoint.Metadata);
        }

        Assert.That(File.ReadAllBytes(second), Is.EqualTo(File.ReadAllBytes(first)));
    }

    [TestCase(TensorType.F32)]
    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    [TestCase(TensorType.F64)]
    public void Produced_values_are_asked_for_in_order_once_and_come_back(TensorType type)
    {
        const int Count = (1 << 20) + 3; // several blocks, and a part of one
        string path = _folder.File("a.safetensors");
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
}
