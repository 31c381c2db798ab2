using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Kinds of pixels and files. Expected values of JPEG and WebP are Pillow's; both use the same
/// libraries.</summary>
internal sealed class FormatTests
{
    // 16x8 pixels with four components, written by Pillow.
    private const string Cmyk =
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJT" +
        "UjI+WmFaUGBKUVJP/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABgAAAIDAAAAAAAAAAAAAAAAAAYHAAQF/8QAIBAAAQEJAQEAAAAA" +
        "AAAAAAAAAAUDBhETFiIxQmOhIf/aAA4EQwBNAFkASwAAPwAseDYvVv19CNUUs3DHbtpcfosHg2JW/X0DlRSzcZrdVlxuP//Z";

    // Two frames of 4x3 pixels: (10, 200, 30) and (250, 0, 0).
    private const string Animation =
        "UklGRoYAAABXRUJQVlA4WAoAAAACAAAAAwAAAgAAQU5JTQYAAAAAAAAAAABBTk1GKgAAAAAAAAAAAAMAAAIAAGQAAAJWUDhMEQAA" +
        "AC8DgAAAB1DkKtSj/4GI6H8AAEFOTUYoAAAAAAAAAAAAAwAAAgAAZAAAAFZQOEwPAAAALwOAAAAHENWP/gciov8BAA==";

    // The byte of the Adobe marker that says whether the components are CMYK (0) or YCCK (2).
    private const int AdobeTransform = 17;

    [TestCase(0, "fdfffcf1fff5defeeacefedfc0ffd6b0ffcc")]
    [TestCase(2, "008600008d00009700009f0000a80000b100")]
    public void Four_components_are_inverted_as_by_Adobe(int transform, string expected)
    {
        byte[] jpeg = Convert.FromBase64String(Cmyk);
        jpeg[AdobeTransform] = (byte)transform;
        Assert.That(Convert.ToHexStringLower(Decode(jpeg).Pixels[..18]), Is.EqualTo(expected));
    }

    [Test]
    public void The_first_frame_of_an_animation_is_decoded()
        => Assert.That(Decode(Convert.FromBase64String(Animation)).Pixels,
            Is.EqualTo(Enumerable.Repeat(new byte[] { 10, 200, 30 }, 12).SelectMany(rgb => rgb)));

    [TestCase(0)]
    [TestCase(2)]
    public void Of_16_bits_the_upper_8_are_used(int colorType)
    {
        byte[] png = PngFiles.Write(256, 256, 16, colorType,
            (x, y) => [.. Enumerable.Repeat((256 * y) + x, colorType == 0 ? 1 : 3)]);
        Assert.That(Decode(png).Pixels, Is.EqualTo(Enumerable.Range(0, 65_536)
            .SelectMany(value => Enumerable.Repeat((byte)(value >> 8), 3))));
    }

    [TestCase(0)]
    [TestCase(2)]
    [TestCase(4)]
    [TestCase(6)]
    public void Transparent_pixels_are_drawn_over_the_background(int colorType)
    {
        bool isGrey = colorType is 0 or 4, hasAlpha = colorType >= 4;
        byte[] png = PngFiles.Write(40, 30, 8, colorType, (x, y) => [5 * x, .. isGrey ? [] : new[] { 7 * y, x + y },
            .. hasAlpha ? new[] { (x * y) & 255 } : []]);
        RgbColor background = new(10, 120, 250);
        byte[] expected = [.. from y in Enumerable.Range(0, 30) from x in Enumerable.Range(0, 40)
            let alpha = hasAlpha ? ((x * y) & 255) / 255.0 : 1
            from channel in Enumerable.Range(0, 3)
            let above = channel == 0 || isGrey ? 5 * x : channel == 1 ? 7 * y : x + y
            let below = channel == 0 ? background.Red : channel == 1 ? background.Green : background.Blue
            select (byte)Math.Round((above * alpha) + (below * (1 - alpha)), MidpointRounding.AwayFromZero)];
        Assert.That(Decode(png, new() { Background = background }).Pixels, Is.EqualTo(expected));
    }

    [Test]
    public void A_palette_may_be_transparent()
    {
        byte[] png = PngFiles.Write(3, 1, 8, 3, (x, _) => [x], false,
            PngFiles.Chunk("PLTE", [10, 20, 30, 0, 0, 0, 200, 100, 0]), PngFiles.Chunk("tRNS", [255, 0, 51]));
        // 51 of 255 is a fifth.
        Assert.That(Decode(png).Pixels, Is.EqualTo(new byte[] { 10, 20, 30, 255, 255, 255, 244, 224, 204 }));
    }

    [TestCase(1, 1)]
    [TestCase(3, 5)]
    [TestCase(37, 29)]
    public void Interlaced_and_plain_files_have_the_same_pixels(int width, int height)
    {
        byte[] plain = Write(false), interlaced = Write(true);
        Assert.That(Decode(interlaced).Pixels, Is.EqualTo(Decode(plain).Pixels));
        Assert.That(Decode(plain).Pixels[^3..], Is.EqualTo(new[] { (byte)(width * 5), (byte)(height * 3), (byte)9 }));

        byte[] Write(bool isInterlaced)
            => PngFiles.Write(width, height, 8, 2, (x, y) => [(x + 1) * 5, (y + 1) * 3, 9], isInterlaced);
    }

    [TestCase(SKEncodedImageFormat.Png)]
    [TestCase(SKEncodedImageFormat.Jpeg)]
    [TestCase(SKEncodedImageFormat.Webp)]
    public void A_colour_profile_is_applied_unless_it_is_ignored(SKEncodedImageFormat format)
    {
        // The primaries are those of sRGB in another order: red of the file is green of sRGB, and so on.
        SKColorSpaceXyz xyz = SKColorSpaceXyz.Srgb;
        using SKColorSpace swapped = SKColorSpace.CreateRgb(SKColorSpaceTransferFn.Srgb, new SKColorSpaceXyz(
            xyz[1, 0], xyz[2, 0], xyz[0, 0], xyz[1, 1], xyz[2, 1], xyz[0, 1], xyz[1, 2], xyz[2, 2], xyz[0, 2]));
        byte[] file = Encode(format, swapped, new SKColor(200, 100, 50));
        byte[] managed = Decode(file).Pixels[..3];
        byte[] ignored = Decode(file, new() { ColorManagement = ColorManagement.Ignore }).Pixels[..3];
        using (Assert.EnterMultipleScope())
        {
            // JPEG and WebP are lossy, and the curve of the profile is approximated: 3 levels.
            Assert.That(managed, Is.EqualTo(new byte[] { 50, 200, 100 }).Within(3));
            Assert.That(ignored, Is.EqualTo(new byte[] { 200, 100, 50 }).Within(3));
        }
    }

    [Test]
    public void Display_P3_is_converted()
    {
        using SKColorSpace p3 = SKColorSpace.CreateRgb(SKColorSpaceTransferFn.Srgb, SKColorSpaceXyz.DisplayP3);
        byte[] file = Encode(SKEncodedImageFormat.Png, p3, new SKColor(180, 120, 90));
        // The published matrix from linear Display P3 to linear sRGB.
        double[,] matrix = { { 1.2249, -0.2247, 0 }, { -0.0420, 1.0419, 0 }, { -0.0197, -0.0786, 1.0979 } };
        double[] linear = [Decoded(180), Decoded(120), Decoded(90)];
        byte[] expected = [.. Enumerable.Range(0, 3).Select(row => (byte)Math.Round(255 * Encoded(
            (matrix[row, 0] * linear[0]) + (matrix[row, 1] * linear[1]) + (matrix[row, 2] * linear[2]))))];
        using (Assert.EnterMultipleScope())
        {
            // The matrix has four digits, and the profile stores its curve and matrix in 16 bits: one level.
            Assert.That(Decode(file).Pixels[..3], Is.EqualTo(expected).Within(1));
            Assert.That(expected, Is.Not.EqualTo(new byte[] { 180, 120, 90 }).Within(3));
            Assert.That(Decode(file, new() { ColorManagement = ColorManagement.Ignore }).Pixels[..3],
                Is.EqualTo(new byte[] { 180, 120, 90 }));
        }

        static double Decoded(int level) => Math.Pow(((level / 255.0) + 0.055) / 1.055, 2.4);
        static double Encoded(double value) => (1.055 * Math.Pow(value, 1 / 2.4)) - 0.055;
    }

    [Test]
    public void A_damaged_profile_is_ignored()
    {
        byte[] png = PngFiles.Write(1, 1, 8, 2, (_, _) => [9, 8, 7], false,
            PngFiles.Chunk("iCCP", [.. "x\0\0"u8, 1, 2, 3, 4]));
        Assert.That(Decode(png).Pixels, Is.EqualTo(new byte[] { 9, 8, 7 }));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void The_orientation_of_WebP_may_be_before_or_after_the_pixels(bool isLast)
    {
        byte[] webp = Pictures.Encode(6, 4, (x, _) => Pictures.Gray(x), SKEncodedImageFormat.Webp);
        Assert.That(Decode(ExifFiles.WebpWithOrientation(webp, 6, isLast)).Size, Is.EqualTo(new ImageSize(6, 4)));
    }

    [TestCase("000000186674797068656963", "a HEIC picture")]
    [TestCase("000000186674797061766966", "an AVIF picture")]
    [TestCase("000000186674797069736F6D", "a video or another file of the MP4 family")]
    [TestCase("49492A0008000000", "a TIFF picture")]
    [TestCase("4D4D002A00000008", "a TIFF picture")]
    [TestCase("524946460400000057415645", "a RIFF file that is not WebP")]
    [TestCase("", "an empty file")]
    public void A_file_of_another_format_is_named(string hex, string found) => AssertNamed(Convert.FromHexString(hex),
        found);

    [TestCase("GIF89a", "a GIF picture")]
    [TestCase("BM", "a BMP picture")]
    [TestCase("<svg xmlns=''>", "an SVG drawing")]
    [TestCase("<!DOCTYPE html><html>", "an HTML page")]
    [TestCase("something else", "another file")]
    public void A_text_of_another_format_is_named(string text, string found)
        => AssertNamed(System.Text.Encoding.Latin1.GetBytes(text), found);

    [Test]
    public void A_cancelled_call_ends_and_frees_its_memory()
    {
        DecodingBudget budget = new(1 << 24);
        using MemoryStream stream = new(Pictures.Encode(50, 50, (x, y) => Pictures.Gray(x + y)));
        ImagePreprocessor preprocessor = new(new());
        Assert.That(() => preprocessor.Prepare(ImageInput.FromStream(stream), budget, new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(budget.Reserved, Is.Zero);
    }

    [Test]
    public void Names_and_sources_of_images_are_in_errors()
    {
        string folder = Path.GetTempPath(), missing = Path.Combine(folder, "no such picture.png");
        ImagePreprocessor preprocessor = new(new() { Decoding = new() { MaxEncodedBytes = 100 } });
        byte[] large = Pictures.Encode(60, 60, (x, y) => new SKColor((byte)(x * 7), (byte)(y * 5), (byte)(x * y)));
        using MemoryStream stream = new(large);
        using (Assert.EnterMultipleScope())
        {
            AssertFails(ImageInput.FromFile(missing), missing, "cannot be read");
            AssertFails(ImageInput.FromFile(folder), folder, "found a folder");
            AssertFails(ImageInput.FromBytes(large, "large"), "large", "expected at most 100 bytes");
            AssertFails(ImageInput.FromStream(stream, "streamed"), "streamed", "expected at most 100 bytes");
        }

        void AssertFails(ImageInput image, string name, string message)
        {
            InvalidImageException? error = Assert.Throws<InvalidImageException>(() => preprocessor.Prepare(image));
            Assert.That(error!.ImageName, Is.EqualTo(name));
            Assert.That(error.Message, Does.StartWith(name).And.Contains(message));
        }
    }

    private static void AssertNamed(byte[] file, string found) => Assert.That(() => Decode(file),
        Throws.TypeOf<InvalidImageException>().With.Message.Contains(
            $"image: expected a PNG, JPEG or WebP picture, found {found}"));

    private static byte[] Encode(SKEncodedImageFormat format, SKColorSpace space, SKColor color)
    {
        using SKBitmap bitmap = new(new SKImageInfo(16, 16, SKColorType.Rgba8888, SKAlphaType.Opaque, space));
        // Stored values; Erase would convert them to the colour space.
        Span<byte> pixels = bitmap.GetPixelSpan();
        for (int index = 0; index < pixels.Length; index += 4)
            (pixels[index], pixels[index + 1], pixels[index + 2], pixels[index + 3]) =
                (color.Red, color.Green, color.Blue, byte.MaxValue);
        using SKData data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    private static RgbImage Decode(byte[] file, ImageDecoding? decoding = null)
        => new ImagePreprocessor(new() { Decoding = decoding ?? new() }).Prepare(ImageInput.FromBytes(file));
}
