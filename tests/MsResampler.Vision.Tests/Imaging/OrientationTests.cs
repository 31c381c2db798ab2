using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

internal sealed class OrientationTests
{
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

    [TestCaseSource(nameof(s_orientations))]
    public void The_exif_orientation_of_every_format_is_obeyed(int origin, int[] expected)
    {
        const int Block = 8;
        foreach (SKEncodedImageFormat format in (SKEncodedImageFormat[])
            [SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp])
        {
            byte[] stored = Pictures.Encode(3 * Block, 2 * Block,
                (x, y) => Pictures.Gray(40 * ((y / Block * 3) + (x / Block))), format);
            ((int height, int width), byte[] pixels) = Decode(ExifFiles.WithOrientation(stored, format, origin));
            int columns = origin < 5 ? 3 : 2;
            IEnumerable<byte> middles = Enumerable.Range(0, 6).Select(block => pixels[3 *
                ((((block / columns * Block) + (Block / 2)) * width) + (block % columns * Block) + (Block / 2))]);
            using (Assert.EnterMultipleScope())
            {
                Assert.That((width, height), Is.EqualTo((columns * Block, 6 / columns * Block)),
                    $"{format}");
                // Lossy formats are off by one or two grey levels inside a block; the levels are 40 apart.
                Assert.That(middles, Is.EqualTo(expected.Select(value => 40 * value)).Within(3), $"{format}");
            }
        }
    }

    [TestCase(4, 1, 2)]
    [TestCase(3, 2, 2)]
    [TestCase(2, 1, 3)]
    public void The_entry_may_be_a_long_integer_or_have_several_values(byte type, byte count, int expectedWidth)
    {
        foreach (SKEncodedImageFormat format in (SKEncodedImageFormat[])
            [SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp])
        {
            byte[] stored = Pictures.Encode(3, 2, (x, y) => Pictures.Gray(40 * ((y * 3) + x)), format);
            Assert.That(Decode(ExifFiles.WithOrientation(stored, format, 6, type, count)).Size.Width,
                Is.EqualTo(expectedWidth), $"{format}");
        }
    }

    [TestCase("damaged", 1)]
    [TestCase("big-endian", 6)]
    [TestCase("after the pixels", 6)]
    public void The_exif_of_a_png_is_read_in_any_byte_order_and_never_fatal(string what, int expected)
    {
        byte[] png = Pictures.Encode(3, 2, (x, y) => Pictures.Gray(40 * ((y * 3) + x)));
        byte[] big = [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
        byte[] file = what switch
        {
            "damaged" => ExifFiles.InsertChunk(png, png.Length - 12, [.. "II*\0"u8, 0xFF, 0xFF, 0xFF, 0xFF]),
            "big-endian" => ExifFiles.InsertChunk(png, 33, big),
            _ => ExifFiles.InsertChunk(png, png.Length - 12, big),
        };
        Assert.That(Decode(file).Size.Width, Is.EqualTo(expected == 6 ? 2 : 3));
    }

    private static RgbImage Decode(byte[] file) => new ImagePreprocessor(new()).Prepare(ImageInput.FromBytes(file));
}
