using System.Buffers.Binary;
using MsResampler.Cli;
using MsResampler.Cli.Input;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

/// <summary>Truncated picture files of every length: the result is an error, or exactly the pixels of the whole
/// file.</summary>
internal sealed class DamagedImageTests : CliFixture
{
    private const int EndMarkerBytes = 2;

    // IEND, the checksums before it and the last bytes of a deflate stream contain no pixels.
    private const int MaxPngTailBytes = 24;

    [TestCaseSource(typeof(JpegFiles), nameof(JpegFiles.Sequential))]
    public void A_sequential_jpeg_may_lack_only_its_end_marker(string kind)
    {
        byte[] jpeg = JpegFiles.Of(kind);
        float[] whole = Decode(jpeg)!;
        for (int missing = 1; missing < jpeg.Length; missing++)
        {
            float[]? cut = Decode(jpeg[..^missing]);
            if (missing <= EndMarkerBytes)
                Assert.That(cut, Is.EqualTo(whole), $"{missing} bytes missing");
            else
                Assert.That(cut, Is.Null, $"{missing} bytes missing");
        }
    }

    [TestCaseSource(typeof(JpegFiles), nameof(JpegFiles.Sequential))]
    public void A_truncated_sequential_jpeg_with_an_end_marker_is_an_error(string kind)
    {
        byte[] jpeg = JpegFiles.Of(kind);
        for (int missing = EndMarkerBytes + 1; missing < jpeg.Length; missing++)
            Assert.That(Decode([.. jpeg[..^missing], 0xFF, 0xD9]), Is.Null, $"{missing} bytes missing");
    }

    [TestCaseSource(typeof(JpegFiles), nameof(JpegFiles.Progressives))]
    public void A_truncated_progressive_jpeg_is_an_error(string kind)
    {
        byte[] jpeg = JpegFiles.Of(kind);
        Assert.That(Decode(jpeg), Is.Not.Null);
        for (int missing = 1; missing < jpeg.Length; missing++)
            Assert.That(Decode(jpeg[..^missing]), Is.Null, $"{missing} bytes missing");
    }

    [TestCase(SKEncodedImageFormat.Png)]
    [TestCase(SKEncodedImageFormat.Webp)]
    public void Truncated_files_of_other_formats_are_errors(SKEncodedImageFormat format)
    {
        byte[] file = Encode(format, 40, 30);
        float[] whole = Decode(file)!;
        for (int missing = 1; missing < file.Length; missing++)
        {
            float[]? cut = Decode(file[..^missing]);
            if (format == SKEncodedImageFormat.Png && missing <= MaxPngTailBytes)
                Assert.That(cut, Is.Null.Or.EqualTo(whole), $"{missing} bytes missing");
            else
                Assert.That(cut, Is.Null, $"{missing} bytes missing");
        }
    }

    [Test]
    public void The_end_marker_of_a_thumbnail_does_not_end_the_picture(
        [ValueSource(typeof(JpegFiles), nameof(JpegFiles.Progressives))] string kind)
    {
        byte[] jpeg = JpegFiles.Of(kind);
        byte[] thumbnail = JpegFiles.Of(JpegFiles.Sequential[0]);
        byte[] length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)(thumbnail.Length + 8));
        byte[] file = [.. jpeg.AsSpan(0, 2), 0xFF, 0xE1, .. length, .. "Exif\0\0"u8, .. thumbnail, .. jpeg.AsSpan(2)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Decode(file), Is.EqualTo(Decode(jpeg)));
            Assert.That(Decode(file[..^2]), Is.Null);
            Assert.That(Decode(file[..^60]), Is.Null);
        }
    }

    [Test]
    public void Data_after_the_end_marker_is_ignored(
        [ValueSource(typeof(JpegFiles), nameof(JpegFiles.Sequential))] string kind)
    {
        byte[] jpeg = JpegFiles.Of(kind);
        float[] whole = Decode(jpeg)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Decode([.. jpeg, 1, 2, 3]), Is.EqualTo(whole));
            // Phones append a second picture; here it is truncated.
            Assert.That(Decode([.. jpeg, .. jpeg.AsSpan(0, 400)]), Is.EqualTo(whole));
            Assert.That(Decode([.. jpeg[..^2], .. new byte[5]]), Is.EqualTo(whole), "zeros in place of the marker");
        }
    }

    [Test]
    public void A_flipped_bit_in_the_pixels_of_a_png_is_an_error()
    {
        byte[] png = Encode(SKEncodedImageFormat.Png, 40, 30);
        png[png.Length / 2] ^= 1;
        Assert.That(Decode(png), Is.Null);
    }

    [Test]
    public void A_png_decoded_in_several_bands_is_correct()
    {
        // 17 million pixels: more than one decoding step holds.
        const int Side = 4_160;
        using SKBitmap bitmap = new(Side, Side, SKColorType.Gray8, SKAlphaType.Opaque);
        Span<byte> pixels = bitmap.GetPixelSpan();
        for (int y = 0; y < Side; y++)
            pixels.Slice(y * bitmap.RowBytes, Side).Fill((byte)(y * 200 / Side));
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(In("bands.png"), data.ToArray());
        using InputFile file = InputFile.Open(In("bands.png"), "--image");
        RgbImage image = ImageDecoder.Decode(file, _ => new SKSizeI(1, 200));
        Assert.That(image.Pixels.Where((_, index) => index % 3 == 1),
            Is.EqualTo(Enumerable.Range(0, 200).Select(level => (float)level)).Within(0.1));
    }

    [Test]
    public void A_picture_beyond_the_memory_budget_is_rejected_undecoded()
    {
        // 132 million pixels with three components, stored in 16 bits until the last scan.
        byte[] jpeg = JpegFiles.Of(JpegFiles.Progressives[1]);
        int frame = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC2]);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 5), 11_000);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 7), 12_000);
        File.WriteAllBytes(In("large.jpg"), jpeg);
        CliRun.Of("run", "--model", Model, "--patch", "2", "--size", "4", "--image", In("large.jpg"), "--out",
            In("o.npy"))
            .FailsNaming("large.jpg", "12000x11000", "at most 512 MiB");
    }

    [Test]
    public void Concurrent_readers_share_one_memory_budget()
    {
        const long Capacity = 100;
        DecodingBudget budget = new(Capacity);
        long taken = 0, most = 0;
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 }, index =>
        {
            long bytes = index % 8 == 0 ? Capacity : 30;
            using DecodingBudget.Lease lease = budget.Acquire(bytes);
            long now = Interlocked.Add(ref taken, bytes);
            InterlockedMax(ref most, now);
            Thread.Sleep(1);
            Interlocked.Add(ref taken, -bytes);
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(most, Is.InRange(60, Capacity), "several at a time, within the budget");
            Assert.That(taken, Is.Zero);
            Assert.That(() => budget.Acquire(Capacity + 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    private static void InterlockedMax(ref long target, long value)
    {
        long seen = Volatile.Read(ref target);
        while (value > seen)
            seen = Interlocked.CompareExchange(ref target, value, seen) is var found && found == seen ? value : found;
    }

    private byte[] Encode(SKEncodedImageFormat format, int width, int height) => File.ReadAllBytes(WritePicture(
        $"damaged.{format}", width, height, (x, y) => new SKColor((byte)(6 * x), (byte)(8 * y), (byte)(x * y)),
            format));

    /// <summary>The pixels, or null if the file is rejected.</summary>
    private float[]? Decode(byte[] bytes)
    {
        File.WriteAllBytes(In("damaged.bin"), bytes);
        using InputFile file = InputFile.Open(In("damaged.bin"), "--image");
        try
        {
            return ImageDecoder.Decode(file, size => size).Pixels;
        }
        catch (InputException)
        {
            return null;
        }
    }
}
