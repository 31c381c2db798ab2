using MsResampler.Cli.Input;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

internal sealed class ImageFeaturesTests : CliFixture
{
    // PNG and lossless decoding are exact; the weights of the filter sum to 1 within float rounding.
    private const double Tolerance = 1e-5;

    private static readonly TestCaseData<int, int[]>[] s_orientations =
    [
        // The stored picture is 0 1 2 / 3 4 5; the expected picture for each orientation, row by row.
        new(1, [0, 1, 2, 3, 4, 5]),
        new(2, [2, 1, 0, 5, 4, 3]),
        new(3, [5, 4, 3, 2, 1, 0]),
        new(4, [3, 4, 5, 0, 1, 2]),
        new(5, [0, 3, 1, 4, 2, 5]),
        new(6, [3, 0, 4, 1, 5, 2]),
        new(7, [5, 2, 4, 1, 3, 0]),
        new(8, [2, 5, 1, 4, 0, 3]),
    ];

    [Test]
    public void A_feature_has_the_pixels_of_its_patch_by_channel_row_and_column()
    {
        string path = WritePicture("order.png", 6, 4,
            (x, y) => new SKColor((byte)(10 * x), (byte)(20 * y), (byte)((x * y) + 3)));
        using ImageFeatures source = ImageFeatures.Open([path], patchSize: 2, new ImageSize(4, 6));
        float[] features = new float[2 * 3 * ChannelCount];
        source.Read(0, features);

        float[] expected = new float[features.Length];
        for (int row = 0; row < 2; row++)
            for (int column = 0; column < 3; column++)
                for (int y = 0; y < 2; y++)
                    for (int x = 0; x < 2; x++)
                    {
                        (int px, int py) = ((2 * column) + x, (2 * row) + y);
                        int[] rgb = [10 * px, 20 * py, (px * py) + 3];
                        for (int channel = 0; channel < 3; channel++)
                            expected[(((row * 3) + column) * 12) + (channel * 4) + (y * 2) + x] =
                                ((rgb[channel] / 255f) - 0.5f) / 0.5f;
                    }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(source.Grids, Is.EqualTo(new[] { new PatchGrid(2, 3) }));
            Assert.That(source.ChannelCount, Is.EqualTo(ChannelCount));
            Assert.That(features, Is.EqualTo(expected).Within(Tolerance));
        }
    }

    [TestCaseSource(nameof(s_orientations))]
    public void Pictures_are_rotated_upright(int origin, int[] expected)
    {
        RgbImage stored = new(3, 2,
            [.. Enumerable.Range(0, 6).SelectMany(value => Enumerable.Repeat((float)value, 3))]);
        RgbImage upright = stored.Upright((SKEncodedOrigin)origin);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(upright.Pixels.Where((_, index) => index % 3 == 0), Is.EqualTo(expected));
            Assert.That((upright.Width, upright.Height), Is.EqualTo(origin < 5 ? (3, 2) : (2, 3)));
        }
    }

    [TestCaseSource(nameof(s_orientations))]
    public void The_exif_orientation_of_every_format_is_obeyed(int origin, int[] expected)
    {
        const int Block = 8;
        foreach (SKEncodedImageFormat format in (SKEncodedImageFormat[])
            [SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp])
        {
            string path = WritePicture($"turned.{format}", 3 * Block, 2 * Block,
                (x, y) => Gray(40 * ((y / Block * 3) + (x / Block))), format);
            File.WriteAllBytes(path, ExifFiles.WithOrientation(File.ReadAllBytes(path), format, origin));
            RgbImage image = Decode(path, size => size);
            int columns = origin < 5 ? 3 : 2;
            IEnumerable<float> middles = Enumerable.Range(0, 6).Select(block => image.Pixels[3 *
                ((((block / columns * Block) + (Block / 2)) * image.Width) + (block % columns * Block) + (Block / 2))]);
            using (Assert.EnterMultipleScope())
            {
                Assert.That((image.Width, image.Height), Is.EqualTo((columns * Block, 6 / columns * Block)),
                    $"{format}");
                // Lossy formats are off by one or two grey levels inside a block; the levels are 40 apart.
                Assert.That(middles, Is.EqualTo(expected.Select(value => 40f * value)).Within(3), $"{format}");
            }
        }
    }

    [TestCase("damaged", 1)]
    [TestCase("big-endian", 6)]
    [TestCase("after the pixels", 6)]
    public void The_exif_of_a_png_is_read_in_any_byte_order_and_never_fatal(string what, int expected)
    {
        string path = WritePicture("exif.png", 3, 2, (x, y) => Gray(40 * ((y * 3) + x)));
        byte[] png = File.ReadAllBytes(path);
        byte[] big = [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
        File.WriteAllBytes(path, what switch
        {
            "damaged" => ExifFiles.InsertChunk(png, png.Length - 12, [.. "II*\0"u8, 0xFF, 0xFF, 0xFF, 0xFF]),
            "big-endian" => ExifFiles.InsertChunk(png, 33, big),
            _ => ExifFiles.InsertChunk(png, png.Length - 12, big),
        });
        Assert.That(Decode(path, size => size).Width, Is.EqualTo(expected == 6 ? 2 : 3));
    }

    [Test]
    public void Transparent_pixels_are_blended_over_white()
    {
        string path = WritePicture("clear.png", 2, 2, (_, _) => new SKColor(0, 0, 0, 0));
        Assert.That(Decode(path, size => size).Pixels,
            Has.All.EqualTo(255).Within(Tolerance * 255));
    }

    [TestCase(7, 3)]
    [TestCase(64, 64)]
    [TestCase(1, 1)]
    [TestCase(100, 150)]
    public void Resizing_keeps_a_constant_picture_constant(int width, int height)
    {
        string path = WritePicture("plain.png", 64, 48, (_, _) => new SKColor(200, 100, 50));
        RgbImage image = Decode(path, _ => new SKSizeI(width, height));
        Assert.That(image.Pixels,
            Is.EqualTo(Enumerable.Repeat(new float[] { 200, 100, 50 }, width * height).SelectMany(rgb => rgb))
            .Within(Tolerance * 255));
    }

    [Test]
    public void Downscaling_averages_fine_detail()
    {
        string path = WritePicture("checks.png", 64, 64,
            (x, y) => (x + y) % 2 == 0 ? SKColors.Black : SKColors.White);
        RgbImage image = Decode(path, _ => new SKSizeI(4, 4));
        // The filter of 64 taps averages out the finest checkerboard to within one or two grey levels, except at the
        // edges.
        Assert.That(image.Pixels, Has.All.EqualTo(127.5).Within(2));
    }

    [Test]
    public void The_error_of_a_wrong_patch_size_names_the_right_one()
    {
        string path = WritePicture("fit.png", 4, 4, (_, _) => SKColors.Gray);
        CliRun.Of("run", "--model", Model, "--image", path, "--out", In("fit.npy"))
            .FailsNaming("588 channels", "use --patch 2");
        File.WriteAllText(In("odd.json"),
            Config.Replace("\"vision_hidden_size\": 12", "\"vision_hidden_size\": 13",
                StringComparison.Ordinal));
        CliRun.Of("init", "--config", In("odd.json"), "--out", In("odd")).Succeeds();
        CliRun.Of("run", "--model", In("odd"), "--image", path, "--out", In("fit.npy"))
            .FailsNaming("--features");
    }

    [Test]
    public void A_bad_picture_in_a_batch_is_named()
    {
        string good = WritePicture("good.png", 4, 4, (_, _) => SKColors.Gray);
        File.WriteAllText(In("bad.png"), "not a picture");
        CliRun.Of("run", "--model", Model, "--patch", "2", "--size", "4", "--image", good, In("bad.png"),
            good, "--out", In("b.npy"))
            .FailsNaming("bad.png");
    }

    private static SKColor Gray(int level) => new((byte)level, (byte)level, (byte)level);

    private static RgbImage Decode(string path, Func<SKSizeI, SKSizeI> chooseSize)
    {
        using InputFile file = InputFile.Open(path, "--image");
        return ImageDecoder.Decode(file, chooseSize);
    }
}
