using System.Buffers.Binary;
using System.Diagnostics;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Small files that declare huge pictures end in one error, at once and without memory for the
/// pixels.</summary>
internal sealed class DecompressionBombTests
{
    // Decoding any of them would take many.
    private const double MaxSeconds = 1;

    // The weights of the resampling filter take 1 MB. The pixels of the smallest picture here would take 400 MB.
    private const long MaxAllocatedBytes = 4 << 20;

    [TestCase("png")]
    [TestCase("interlaced png")]
    [TestCase("webp")]
    [TestCase("progressive jpeg")]
    public void A_huge_picture_is_one_error(string kind)
    {
        byte[] file = kind switch
        {
            "png" => Png(60_000, false),
            "interlaced png" => Png(60_000, true),
            "webp" => Webp(16_383),
            _ => Jpeg(65_500),
        };
        AssertRejected(file, "expected at most 134217728 pixels, found");
    }

    [TestCase("webp")]
    [TestCase("progressive jpeg")]
    public void A_picture_beyond_the_budget_is_one_error(string kind)
        => AssertRejected(kind == "webp" ? Webp(11_585) : Jpeg(11_585),
            "MiB to decode; at most");

    [Test]
    public void A_stretched_picture_is_bounded_after_resizing()
    {
        byte[] png = Pictures.Encode(20_000, 1, (_, _) => Pictures.Gray(1));
        ImagePreprocessor whole = new(new() { Resize = ResizeRule.ShortestEdge(224) });
        ImagePreprocessor cropped = new(ImagePreprocessing.Clip);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => whole.Prepare(ImageInput.FromBytes(png)), Throws.TypeOf<InvalidImageException>()
                .With.Message.Contains("pixels after resizing, found 224x4480000 from 1x20000"));
            // Only the centre is computed.
            Assert.That(cropped.Prepare(ImageInput.FromBytes(png)).Pixels, Has.All.EqualTo(1));
        }
    }

    private static void AssertRejected(byte[] file, string message)
    {
        ImagePreprocessor preprocessor = new(ImagePreprocessing.Clip);
        Measured.AssertBelow(MaxSeconds, "s", () =>
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            InvalidImageException? error = Assert.Throws<InvalidImageException>(
                () => preprocessor.Prepare(ImageInput.FromBytes(file, "bomb")));
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(error!.Message, Does.StartWith("bomb: ").And.Contains(message));
                Assert.That(GC.GetAllocatedBytesForCurrentThread() - allocated, Is.LessThan(MaxAllocatedBytes));
                Assert.That(DecodingMemory.Budget.Reserved, Is.Zero);
            }

            return time.TotalSeconds;
        });
    }

    /// <summary>A header, and the start of pixels that are all zero.</summary>
    private static byte[] Png(int side, bool isInterlaced)
    {
        byte[] start = PngFiles.Start(side, side, 8, 2, isInterlaced);
        byte[] pixels = PngFiles.Write(100, 100, 8, 2, (_, _) => [0, 0, 0]);
        return [.. start, .. pixels.AsSpan(33)];
    }

    /// <summary>Lossless WebP: the header has two sides, less 1, with 14 bits each.</summary>
    private static byte[] Webp(int side) => [.. "RIFF"u8, 32, 0, 0, 0, .. "WEBPVP8L"u8, 20, 0, 0, 0, 0x2F,
        .. BitConverter.GetBytes((side - 1) | ((side - 1) << 14)), .. new byte[15]];

    private static byte[] Jpeg(int side)
    {
        byte[] jpeg = JpegFiles.Of(JpegFiles.Progressives[0]);
        int frame = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC2]);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 5), (ushort)side);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 7), (ushort)side);
        return jpeg;
    }
}
