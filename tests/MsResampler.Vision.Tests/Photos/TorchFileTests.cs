using System.IO.Compression;
using System.IO.Hashing;
using MsResampler.Cli.Output;
using MsResampler.Safetensors;

namespace MsResampler.Vision.Tests.Photos;

public sealed class TorchFileTests
{
    // What torch.save writes for a contiguous tensor [1, 300, 70000] of bfloat16, without the entries of its memo,
    // which nothing refers to. 21,000,000 is 0x01406f40, 70,000 is 0x00011170 and 300 is 0x012c.
    private const string ExpectedPickle = "80-02-" +
        "63-74-6F-72-63-68-2E-5F-75-74-69-6C-73-0A-" + // c torch._utils
        "5F-72-65-62-75-69-6C-64-5F-74-65-6E-73-6F-72-5F-76-32-0A-" + // _rebuild_tensor_v2
        "28-28-58-07-00-00-00-73-74-6F-72-61-67-65-" + // ( ( 'storage'
        "63-74-6F-72-63-68-0A-42-46-6C-6F-61-74-31-36-53-74-6F-72-61-67-65-0A-" + // c torch BFloat16Storage
        "58-01-00-00-00-30-58-03-00-00-00-63-70-75-" + // '0' 'cpu'
        "4A-40-6F-40-01-74-51-4B-00-" + // 21,000,000 elements; the tensor starts at 0
        "28-4B-01-4D-2C-01-4A-70-11-01-00-74-" + // (1, 300, 70000)
        "28-4A-40-6F-40-01-4A-70-11-01-00-4B-01-74-" + // (21000000, 70000, 1)
        "89-63-63-6F-6C-6C-65-63-74-69-6F-6E-73-0A-" + // no gradient, c collections
        "4F-72-64-65-72-65-64-44-69-63-74-0A-29-52-74-52-2E"; // OrderedDict ) R t R .

    [Test]
    public void A_tensor_has_the_description_of_torch_save()
        => Assert.That(BitConverter.ToString(TorchFile.Pickle(TensorType.BF16, [1, 300, 70_000])),
            Is.EqualTo(ExpectedPickle));

    [Test]
    public void A_count_beyond_32_bits_is_a_long_integer()
        // LONG1 with 8 bytes: 3 · 2^30 elements.
        => Assert.That(BitConverter.ToString(TorchFile.Pickle(TensorType.F32, [3, 1 << 15, 1 << 15])),
            Does.Contain("8A-08-00-00-00-C0-00-00-00-00-74-51"));

    [TestCase(TensorType.F32)]
    [TestCase(TensorType.F16)]
    public void The_file_is_an_archive_of_stored_entries_with_aligned_data(TensorType type)
    {
        byte[] data = new byte[6 * TensorTypes.BitsOf(type) / 8];
        Random.Shared.NextBytes(data);
        byte[] file = Join(new TorchFile(type, [1, 2, 3]), data);
        using ZipArchive archive = new(new MemoryStream(file));
        Assert.That(archive.Entries.Select(entry => entry.FullName), Is.EqualTo(
            (string[])["archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/version"]));
        using (Assert.EnterMultipleScope())
        {
            // The archive checks the checksums while it reads.
            Assert.That(Content(archive, "archive/data/0"), Is.EqualTo(data));
            Assert.That(Content(archive, "archive/data.pkl"), Is.EqualTo(TorchFile.Pickle(type, [1, 2, 3])));
            Assert.That(Content(archive, "archive/version"), Is.EqualTo("3\n"u8.ToArray()));
            Assert.That(Content(archive, "archive/byteorder"), Is.EqualTo("little"u8.ToArray()));
            Assert.That(archive.Entries.Select(entry => entry.CompressedLength - entry.Length), Is.All.Zero);
            Assert.That(file.AsSpan().IndexOf(data) % 64, Is.Zero);
        }
    }

    /// <summary>The data are not written: the archive is read through a stream that has zeros in their
    /// place.</summary>
    [Test]
    public void An_archive_above_4_GiB_has_the_fields_of_ZIP64()
    {
        const long Extent = 1L << 30;
        TorchFile torch = new(TensorType.F32, [2, 1, Extent]);
        using HollowStream file = new(torch.Start, 2 * Extent * sizeof(float), torch.End(checksum: 0x1234_5678));
        using ZipArchive archive = new(file);
        ZipArchiveEntry data = archive.GetEntry("archive/data/0")!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(data.Length, Is.EqualTo(2 * Extent * sizeof(float)));
            Assert.That(data.Crc32, Is.EqualTo(0x1234_5678));
            Assert.That(Content(archive, "archive/version"), Is.EqualTo("3\n"u8.ToArray()));
            using Stream content = data.Open();
            Assert.That(content.ReadByte(), Is.Zero);
        }
    }

    private static byte[] Join(TorchFile torch, byte[] data)
    {
        uint checksum = Crc32.HashToUInt32(data);
        byte[] file = [.. torch.Start, .. data, .. torch.End(checksum)];
        TorchFile.Checksum(checksum).CopyTo(file, torch.ChecksumOffset);
        return file;
    }

    private static byte[] Content(ZipArchive archive, string name)
    {
        using Stream stream = archive.GetEntry(name)!.Open();
        using MemoryStream content = new();
        stream.CopyTo(content);
        return content.ToArray();
    }

    /// <summary>A start and an end with zeros between them.</summary>
    private sealed class HollowStream(byte[] start, long zeroCount, byte[] end) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => start.Length + zeroCount + end.Length;

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = 0;
            for (; read < count && Position < Length; read++, Position++)
            {
                long afterZeros = Position - start.Length - zeroCount;
                buffer[offset + read] = Position < start.Length ? start[Position]
                    : afterZeros < 0 ? (byte)0 : end[afterZeros];
            }

            return read;
        }

        public override long Seek(long offset, SeekOrigin origin) => Position = offset + (origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => Position,
            _ => Length,
        });

        public override void Flush()
        {
        }

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
