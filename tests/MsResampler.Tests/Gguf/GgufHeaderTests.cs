using MsResampler.Gguf;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Gguf;

/// <summary>One file for each way in which a GGUF file is invalid, and random changes of a valid one.</summary>
public sealed class GgufHeaderTests
{
    private static readonly byte[] s_four = new byte[16];

    [Test]
    public void A_valid_file_is_read([Values(2u, 3u)] uint version)
    {
        byte[] bytes = Valid(version).ToArray();
        GgufHeader header = Parse(bytes);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(header.Text("clip.projector_type"), Is.EqualTo("resampler"));
            Assert.That(header.Number("clip.minicpmv_version"), Is.EqualTo(3));
            Assert.That(header.Number("signed"), Is.EqualTo(-7));
            Assert.That(header.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "a", "b", "c" }));
            Assert.That(header.Tensors[0].Shape, Is.EqualTo(new[] { 2, 4 }));
            Assert.That(header.Tensors[1].FirstByte, Is.EqualTo(header.Tensors[0].FirstByte + 32));
            Assert.That(header.Tensors[2].ByteCount, Is.EqualTo(34 * 2));
            Assert.That(header.Tensors[2].FirstByte + 68, Is.EqualTo(bytes.Length));
        }
    }

    [Test]
    public void Every_error_is_recognised()
    {
        using (Assert.EnterMultipleScope())
        {
            Fails(GgufError.NotGguf, []);
            Fails(GgufError.NotGguf, [.. "GGU"u8]);
            Fails(GgufError.NotGguf, [.. "GGML"u8, .. s_four]);
            Fails(GgufError.BigEndian, [.. "GGUF"u8, 0, 0, 0, 3, .. s_four]);
            Fails(GgufError.UnsupportedVersion, [.. "GGUF"u8, 1, 0, 0, 0, .. s_four]);
            Fails(GgufError.UnsupportedVersion, new GgufBytes { Version = 4 }.ToArray());
            Fails(GgufError.HeaderPastEnd, [.. "GGUF"u8, 3, 0, 0]);
            Fails(GgufError.HeaderPastEnd, [.. "GGUF"u8, 3, 0, 0, 0, 1, 0]);
            Fails(GgufError.CountTooLarge, new GgufBytes().ToArray(tensorCount: ulong.MaxValue));
            Fails(GgufError.CountTooLarge, new GgufBytes().ToArray(fieldCount: 1UL << 40));
            Fails(GgufError.CountTooLarge, new GgufBytes().Field("k", 9, [6, 0, 0, 0, .. Long(1UL << 62)]).ToArray());
            Fails(GgufError.HeaderPastEnd, new GgufBytes().Field("k", 8, Long(1 << 20)).ToArray());
            Fails(GgufError.HeaderPastEnd, new GgufBytes().Field("k", 9, [8, 0, 0, 0, .. Long(1), .. Long(99)])
                .ToArray());
            Fails(GgufError.NameTooLong, new GgufBytes().UInt32(new string('k', 5000), 1).ToArray());
            Fails(GgufError.NameTooLong, new GgufBytes().Tensor(new string('t', 65), 0, [4], s_four).ToArray());
            Fails(GgufError.NotUtf8, Replaced(new GgufBytes().UInt32("key", 1).ToArray(), "key"u8, [0xc3, 0x28, 0x21]));
            Fails(GgufError.NotUtf8, Replaced(new GgufBytes().Text("k", "text").ToArray(), "text"u8, [0xff, 1, 1, 1]));
            Fails(GgufError.DuplicateKey, new GgufBytes().UInt32("k", 1).UInt32("k", 1).ToArray());
            Fails(GgufError.UnknownValueType, new GgufBytes().Field("k", 13, s_four).ToArray());
            Fails(GgufError.UnknownValueType, new GgufBytes().Field("k", 9, [13, 0, 0, 0, .. Long(0)]).ToArray());
            Fails(GgufError.NestedTooDeep, new GgufBytes().Field("k", 9, [.. Enumerable.Repeat<byte[]>(
                [9, 0, 0, 0, .. Long(1)], 9).SelectMany(level => level), .. new byte[64]]).ToArray());
            Fails(GgufError.WrongValueType, new GgufBytes().Text("general.alignment", "32").ToArray());
            foreach (uint alignment in (uint[])[0, 4, 24, 33])
                Fails(GgufError.BadAlignment, new GgufBytes().UInt32("general.alignment", alignment).ToArray());
            Fails(GgufError.DuplicateTensor, new GgufBytes().Tensor("t", 0, [4], s_four).Tensor("t", 0, [4], s_four)
                .ToArray());
            Fails(GgufError.TooManyDimensions, new GgufBytes().Tensor("t", 0, [1, 1, 1, 1, 4], s_four).ToArray());
            Fails(GgufError.UnknownTensorType, new GgufBytes().Tensor("t", 4, [4], s_four).ToArray());
            Fails(GgufError.UnknownTensorType, new GgufBytes().Tensor("t", 99, [4], s_four).ToArray());
            Fails(GgufError.SizeOverflow, new GgufBytes().Tensor("t", 0, [1L << 32, 1L << 32], s_four).ToArray());
            Fails(GgufError.SizeOverflow, new GgufBytes().Tensor("t", 0, [-1], s_four).ToArray());
            Fails(GgufError.SizeOverflow, new GgufBytes().Tensor("t", 0, [long.MaxValue], s_four).ToArray());
            Fails(GgufError.PartialBlock, new GgufBytes().Tensor("t", 8, [32, 33], s_four).ToArray());
            Fails(GgufError.PartialBlock, new GgufBytes().Tensor("t", 12, [32], s_four).ToArray());
            Fails(GgufError.Misaligned, new GgufBytes().Tensor("t", 0, [4], s_four, offset: 4).ToArray());
            Fails(GgufError.DataTooShort, new GgufBytes().Tensor("t", 0, [5], s_four).ToArray());
            Fails(GgufError.DataTooShort, new GgufBytes().Tensor("t", 0, [4], s_four, offset: 32).ToArray());
            Fails(GgufError.DataTooShort, new GgufBytes().Tensor("t", 0, [4], s_four, ulong.MaxValue - 31).ToArray());
            Fails(GgufError.Overlap, new GgufBytes().Tensor("t", 0, [4], s_four).Tensor("u", 0, [4], s_four, offset: 0)
                .ToArray());
        }
    }

    [Test]
    public void A_file_that_ends_early_is_an_error_at_every_length()
    {
        byte[] bytes = Valid(3).ToArray();
        for (int length = 0; length < bytes.Length; length++)
            Assert.Throws<GgufException>(() => Parse(bytes[..length]), $"{length} bytes");
    }

    [Test]
    public void Changed_files_are_read_or_refused()
    {
        byte[] valid = Valid(3).ToArray();
        int headerBytes = (int)Parse(valid).Tensors[0].FirstByte;
        Random random = new(1);
        Dictionary<string, int> outcomes = [];
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int run = 0; run < 50_000; run++)
        {
            byte[] bytes = [.. valid];
            for (int change = random.Next(1, 4); change > 0; change--)
                Change(random, ref bytes, headerBytes);
            string outcome = "valid";
            try
            {
                GgufHeader header = Parse(bytes);
                bool isInside = header.Tensors.All(tensor => tensor.FirstByte >= 0 && tensor.ByteCount >= 0
                    && tensor.ByteCount <= bytes.Length - tensor.FirstByte);
                Assert.That(isInside, Is.True, $"run {run}");
            }
            catch (GgufException exception)
            {
                outcome = exception.Error.ToString();
            }

            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        TestContext.Out.WriteLine(string.Join(", ", outcomes.Select(pair => $"{pair.Key} {pair.Value}")));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(outcomes, Has.Count.GreaterThan(12), "kinds of outcomes");
            // A file has under 1 KiB, its buffer the same; the rest are strings, exceptions and NUnit's constraints.
            Assert.That(allocated / 50_000, Is.LessThan(100_000), "bytes of each run");
        }
    }

    private static void Change(Random random, ref byte[] bytes, int headerBytes)
    {
        int place = random.Next(Math.Min(headerBytes, bytes.Length));
        switch (random.Next(5))
        {
            case 0:
                bytes[place] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[place] = (byte)random.Next(256);
                break;
            case 2:
                ulong[] values = [0, 1, uint.MaxValue, long.MaxValue, ulong.MaxValue, 1UL << random.Next(64)];
                Long(values[random.Next(values.Length)]).AsSpan(0, Math.Min(8, bytes.Length - place))
                    .CopyTo(bytes.AsSpan(place));
                break;
            case 3:
                bytes = bytes[..Math.Max(1, random.Next(bytes.Length))];
                break;
            default:
                int from = random.Next(bytes.Length);
                int count = Math.Min(random.Next(1, 40), bytes.Length - Math.Max(from, place));
                bytes.AsSpan(from, count).CopyTo(bytes.AsSpan(place));
                break;
        }
    }

    private static GgufBytes Valid(uint version) => new GgufBytes { Version = version }
        .Text("general.architecture", "clip").Text("clip.projector_type", "resampler")
        .Int32("clip.minicpmv_version", 3).Int32("signed", -7).Field("flag", 7, 1).Field("wide", 12, Long(5))
        .Field("words", 9, [8, 0, 0, 0, .. Long(2), .. Long(1), 65, .. Long(0)])
        .Field("nested", 9, [9, 0, 0, 0, .. Long(1), 4, 0, 0, 0, .. Long(2), .. Long(7)])
        .UInt32("general.alignment", 32)
        .Tensor("a", 0, [2, 4], new byte[32]).Tensor("b", 1, [3], new byte[6]).Tensor("c", 8, [2, 32], new byte[68]);

    private static byte[] Long(ulong value) => BitConverter.GetBytes(value);

    private static byte[] Replaced(byte[] bytes, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        to.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf(from)));
        return bytes;
    }

    private static void Fails(GgufError error, byte[] bytes)
    {
        GgufException? exception = Assert.Throws<GgufException>(() => Parse(bytes), $"{error}");
        Assert.That(exception?.Error, Is.EqualTo(error), exception?.Message);
        Assert.That(exception?.Message, Does.StartWith("file.gguf: ").And.Contain("expected").And.Contain("found"));
        // The same bytes in memory are the same error.
        Assert.That(() => GgufFile.Open(CheckpointBytes.Of(bytes)), Throws.TypeOf<GgufException>().With.Message
            .EqualTo("the checkpoint in memory" + exception!.Message["file.gguf".Length..]));
    }

    private static GgufHeader Parse(byte[] bytes) => GgufHeader.Parse((first, destination)
        => bytes.AsSpan((int)first, destination.Length).CopyTo(destination), bytes.Length, "file.gguf");
}
