using System.Buffers.Binary;
using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Truncated picture files of every length: the result is an error, or exactly the pixels of the whole
/// file.</summary>
internal sealed class DamagedImageTests
{
    private const int EndMarkerBytes = 2;

    // IEND, the checksums before it and the last bytes of a deflate stream contain no pixels.
    private const int MaxPngTailBytes = 24;

    [TestCaseSource(typeof(JpegFiles), nameof(JpegFiles.Sequential))]
    public void A_sequential_jpeg_may_lack_only_its_end_marker(string kind)
    {
        byte[] jpeg = JpegFiles.Of(kind);
        byte[] whole = Decode(jpeg)!;
        for (int missing = 1; missing < jpeg.Length; missing++)
        {
            byte[]? cut = Decode(jpeg[..^missing]);
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
        byte[] whole = Decode(file)!;
        for (int missing = 1; missing < file.Length; missing++)
        {
            byte[]? cut = Decode(file[..^missing]);
            if (format == SKEncodedImageFormat.Png && missing <= MaxPngTailBytes)
                Assert.That(cut, Is.Null.Or.EqualTo(whole), $"{missing} bytes missing");
            else
                Assert.That(cut, Is.Null, $"{missing} bytes missing");
        }
    }

    [TestCase(SKEncodedImageFormat.Png)]
    [TestCase(SKEncodedImageFormat.Webp)]
    public void A_file_cut_off_before_its_orientation_is_an_error(SKEncodedImageFormat format)
    {
        byte[] file = ExifFiles.WithOrientation(Encode(format, 40, 30), format, 6);
        byte[] whole = Decode(file)!;
        for (int missing = 1; missing < file.Length; missing++)
            Assert.That(Decode(file[..^missing]), Is.Null.Or.EqualTo(whole), $"{missing} bytes missing");
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
        byte[] whole = Decode(jpeg)!;
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
        ImagePreprocessor preprocessor = new(new() { Resize = ResizeRule.Exact(200, 1) });
        RgbImage image = preprocessor.Prepare(ImageInput.FromBytes(data.ToArray()));
        Assert.That(image.Pixels.Where((_, index) => index % 3 == 1),
            Is.EqualTo(Enumerable.Range(0, 200).Select(level => (byte)level)));
    }

    [Test]
    public void A_picture_beyond_the_memory_budget_is_rejected_undecoded()
    {
        // 132 million pixels with three components, stored in 16 bits until the last scan.
        byte[] jpeg = JpegFiles.Of(JpegFiles.Progressives[1]);
        int frame = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC2]);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 5), 11_000);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 7), 12_000);
        Assert.That(() => new ImagePreprocessor(new()).Prepare(ImageInput.FromBytes(jpeg, "large.jpg")),
            Throws.TypeOf<InvalidImageException>().With.Message.Match("^large.jpg: .*11000x12000.*at most 384 MiB"));
    }

    private static byte[] Encode(SKEncodedImageFormat format, int width, int height) => Pictures.Encode(width, height,
        (x, y) => new SKColor((byte)(6 * x), (byte)(8 * y), (byte)(x * y)), format);

    /// <summary>The pixels, or null if the file is rejected.</summary>
    private static byte[]? Decode(byte[] bytes)
    {
        try
        {
            return new ImagePreprocessor(new()).Prepare(ImageInput.FromBytes(bytes)).Pixels;
        }
        catch (InvalidImageException)
        {
            return null;
        }
    }
}
