using System.Security.Cryptography;
using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Resized pixels equal those of <c>Image.resize</c> of Pillow 9.4, whose values are written down here. The
/// tolerance is 0: both compute with the same fixed-point weights.</summary>
internal sealed class ResizingTests
{
    [TestCase(Resampling.Nearest, "91c6fb33689d0b4075ade217d50a3f10457ab4e91eef2459194e83ed22575d92c731669b")]
    [TestCase(Resampling.Lanczos, "7c899c8d89896c657a899a777f9770728d73797f796c76a176927b8f7c888681917e7786")]
    [TestCase(Resampling.Bilinear, "808f958588887069798798737f8d75738b7a79807b74779677907e8c7e8988838d7b7489")]
    [TestCase(Resampling.Bicubic, "7e8d9689888a6e6578889c757f9373738d76787e7871769f77917c8d7b8a88828f7e7687")]
    [TestCase(Resampling.Box, "758d898e838e605c7591a96c8098786f8f6f5f77737d79ae6e878391709096768e86827f")]
    [TestCase(Resampling.Hamming, "81929584848e6e5c6e8fa56d808978708f7a77806f7c729e72907f9076948c84907b7889")]
    public void A_reduction_equals_Pillow(Resampling resampling, string expected)
    {
        RgbImage image = Resize(Encode(13, 9), new ImageSize(3, 4), resampling);
        Assert.That(Convert.ToHexStringLower(image.Pixels), Is.EqualTo(expected));
    }

    // The first 64 bits of SHA-256 of Pillow's pixels: reduced, only in height, only in width, enlarged.
    [TestCase(Resampling.Nearest, "DF9335BD4ABE781D D75096FCD6D58A4E 603637E434DF7259 20E43F26081AD210")]
    [TestCase(Resampling.Lanczos, "FD9D4BD24667EEBF 55C7F7B22252A3D7 8844DB4FF3BAEF57 E9D4B06D769CD854")]
    [TestCase(Resampling.Bilinear, "8B6E5FB9C112599A 8B6411E930402352 5641947252467BC3 41885671809969F2")]
    [TestCase(Resampling.Bicubic, "64BD7B3589552EDB 086B96BEFC4FB4BD 4A69EA5F89128B76 ED2D903A0979C850")]
    [TestCase(Resampling.Box, "3819A0CF00BACEFF 1DBF3CD2D6CE8A17 D08F6D623260F176 20E43F26081AD210")]
    [TestCase(Resampling.Hamming, "9E572A1E7D690F1B 6FD11D6E078DCD3B D1F3EEF336C4AB6E D68A726F742CCE8D")]
    public void Larger_images_equal_Pillow(Resampling resampling, string expected)
    {
        byte[] png = Encode(301, 203);
        ImageSize[] sizes = [new(48, 64), new(100, 301), new(203, 77), new(260, 350)];
        Assert.That(string.Join(' ', sizes.Select(size => Convert.ToHexString(
            SHA256.HashData(Resize(png, size, resampling).Pixels))[..16])), Is.EqualTo(expected));
    }

    [TestCase(1)]
    [TestCase(6)]
    public void Vectors_of_both_widths_have_the_same_result(int origin)
    {
        Random random = new(origin);
        for (int repetition = 0; repetition < 60; repetition++)
        {
            ImageSize stored = new(random.Next(1, 70), random.Next(1, 70));
            ImageSize resized = new(random.Next(1, 50), random.Next(1, 50));
            ImageSize size = new(random.Next(1, 50), random.Next(1, 50));
            byte[] rgba = new byte[4 * stored.Height * stored.Width];
            random.NextBytes(rgba);
            Orientation orientation = Orientation.Of((SKEncodedOrigin)origin);
            byte[] narrow = Run(false), wide = Run(true);
            Assert.That(wide, Is.EqualTo(narrow), $"{stored} to {resized}, cropped to {size}");

            byte[] Run(bool isWide)
            {
                using ImageResizer resizer = new(stored, orientation, resized, size, (Resampling)(repetition % 6),
                    isWide);
                resizer.Start();
                // Bands of an odd height leave blocks that are not full.
                int bandBytes = 4 * stored.Width * random.Next(1, 9);
                for (int start = 0; start < rgba.Length; start += bandBytes)
                    resizer.Add(rgba.AsSpan(start, Math.Min(bandBytes, rgba.Length - start)));
                return resizer.Finish().Pixels;
            }
        }
    }

    [TestCase(2)]
    [TestCase(3)]
    [TestCase(4)]
    [TestCase(5)]
    [TestCase(6)]
    [TestCase(7)]
    [TestCase(8)]
    public void A_turned_file_has_the_pixels_of_the_upright_image(int origin)
    {
        // The upright image, stored as the orientation demands, has the same result as without orientation.
        const int Width = 37, Height = 23;
        Func<int, int, SKColor> upright = Color;
        byte[] plain = Pictures.Encode(Width, Height, upright);
        Orientation orientation = Orientation.Of((SKEncodedOrigin)origin);
        ImageSize stored = orientation.Upright(new ImageSize(Height, Width));
        byte[] turned = ExifFiles.WithOrientation(Pictures.Encode(stored.Width, stored.Height, (x, y) =>
        {
            (int column, int row) = orientation.IsTransposed ? (y, x) : (x, y);
            return upright(orientation.MirrorsColumns ? Width - 1 - column : column,
                orientation.MirrorsRows ? Height - 1 - row : row);
        }), SKEncodedImageFormat.Png, origin);
        ImagePreprocessor preprocessor = new(ImagePreprocessing.Clip with
        {
            Resize = ResizeRule.ShortestEdge(11),
            Crop = new ImageSize(9, 12),
        });
        Assert.That(preprocessor.Prepare(ImageInput.FromBytes(turned)).Pixels,
            Is.EqualTo(preprocessor.Prepare(ImageInput.FromBytes(plain)).Pixels));
    }

    [Test]
    public void A_crop_is_the_centre_and_black_outside_the_image()
    {
        byte[] png = Pictures.Encode(4, 1, (x, _) => Pictures.Gray(x + 1));
        // The offset (4 - 7) / 2 is rounded down to -2.
        Assert.That(Crop(7), Is.EqualTo(new byte[] { 0, 0, 1, 2, 3, 4, 0 }));
        Assert.That(Crop(3), Is.EqualTo(new byte[] { 1, 2, 3 }));
        Assert.That(Crop(2), Is.EqualTo(new byte[] { 2, 3 }));

        byte[] Crop(int width) => [.. new ImagePreprocessor(new() { Crop = new ImageSize(1, width) })
            .Prepare(ImageInput.FromBytes(png)).Pixels.Where((_, index) => index % 3 == 0)];
    }

    [TestCase(7, 3)]
    [TestCase(64, 64)]
    [TestCase(1, 1)]
    [TestCase(100, 150)]
    public void Resizing_keeps_a_constant_picture_constant(int width, int height)
    {
        byte[] png = Pictures.Encode(64, 48, (_, _) => new SKColor(200, 100, 50));
        RgbImage image = Resize(png, new ImageSize(height, width), Resampling.Bicubic);
        Assert.That(image.Pixels, Is.EqualTo(Enumerable.Repeat(new byte[] { 200, 100, 50 }, width * height)
            .SelectMany(rgb => rgb)));
    }

    private static RgbImage Resize(byte[] image, ImageSize size, Resampling resampling) => new ImagePreprocessor(new()
    {
        Resize = ResizeRule.Exact(size.Height, size.Width),
        Resampling = resampling,
    }).Prepare(ImageInput.FromBytes(image));

    private static byte[] Encode(int width, int height) => Pictures.Encode(width, height, Color);

    private static SKColor Color(int x, int y)
    {
        int level = (x * 37) + (y * 91) + (x * y * 17);
        return new SKColor((byte)level, (byte)(level + 53), (byte)(level + 106));
    }
}
