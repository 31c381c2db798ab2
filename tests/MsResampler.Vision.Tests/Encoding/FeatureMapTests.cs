using L = MsResampler.Vision.FeatureLayout;

namespace MsResampler.Vision.Tests.Encoding;

public class FeatureMapTests
{
    // Published encoders, by the shape of their output.
    [TestCase("CLIP ViT-L/14 at 336", 336, 336, new long[] { 1, 577, 1024 }, L.Sequence, 1, 24, 24, 1024)]
    [TestCase("SigLIP so400m/14 at 384", 384, 384, new long[] { 1, 729, 1152 }, L.Sequence, 0, 27, 27, 1152)]
    [TestCase("ViT-B/32 at 224", 224, 224, new long[] { 2, 50, 768 }, L.Sequence, 1, 7, 7, 768)]
    [TestCase("patches of 28 pixels", 336, 448, new long[] { 1, 192, 3584 }, L.Sequence, 0, 12, 16, 3584)]
    [TestCase("one patch", 14, 14, new long[] { 1, 1, 8 }, L.Sequence, 0, 1, 1, 8)]
    [TestCase("one patch and a class token", 14, 14, new long[] { 1, 2, 8 }, L.Sequence, 1, 1, 1, 8)]
    [TestCase("a wide image", 224, 672, new long[] { 1, 769, 8 }, L.Sequence, 1, 16, 48, 8)]
    [TestCase("a rest at the edges", 230, 460, new long[] { 1, 512, 8 }, L.Sequence, 0, 16, 32, 8)]
    [TestCase("ResNet18", 224, 224, new long[] { 1, 512, 7, 7 }, L.ChannelsFirst, 0, 7, 7, 512)]
    [TestCase("ConvNeXt in TensorFlow", 224, 224, new long[] { 1, 7, 7, 768 }, L.ChannelsLast, 0, 7, 7, 768)]
    [TestCase("a tall map", 448, 224, new long[] { 1, 14, 7, 14 }, L.ChannelsLast, 0, 14, 7, 14)]
    [TestCase("two axes fit better", 16, 24, new long[] { 1, 4, 6, 8 }, L.ChannelsLast, 0, 4, 6, 8)]
    [TestCase("a cube follows the input", 224, 224, new long[] { 1, 14, 14, 14 }, L.ChannelsFirst, 0, 14, 14, 14)]
    [TestCase("a map with a rounded side", 200, 333, new long[] { 1, 64, 7, 11 }, L.ChannelsFirst, 0, 7, 11, 64)]
    public void Shapes_are_understood(string encoder, int height, int width, long[] shape, FeatureLayout layout,
        int prefix, int rows, int columns, int channels)
        => Assert.That(Find(shape, new ImageSize(height, width)),
            Is.EqualTo(new FeatureMap(layout, prefix, new PatchGrid(rows, columns), channels)), encoder);

    [Test]
    public void Registers_are_named()
        => Assert.That(Find([1, 261, 384], new ImageSize(224, 224), new VisionEncoderOptions { PrefixTokenCount = 5 }),
            Is.EqualTo(new FeatureMap(L.Sequence, 5, new PatchGrid(16, 16), 384)));

    [Test]
    public void A_named_layout_wins()
        => Assert.That(Find([1, 14, 14, 14], new ImageSize(224, 224),
            new VisionEncoderOptions { OutputLayout = L.ChannelsLast }).Layout,
            Is.EqualTo(L.ChannelsLast));

    [TestCase(new long[] { 1, 261, 384 }, "PrefixTokenCount")]
    [TestCase(new long[] { 1, 512 }, "expected [B,N,C], [B,C,H,W] or [B,H,W,C]; found [1,512]")]
    [TestCase(new long[] { 1, 5, 64, 7 }, "OutputLayout")]
    [TestCase(new long[] { 1, 0, 384 }, "extents of at least 1")]
    public void Other_shapes_are_errors_that_say_what_to_name(long[] shape, string message)
        => Assert.That(() => Find(shape, new ImageSize(224, 224)),
            Throws.TypeOf<InvalidEncoderException>().With.Message.Contains(message)
                .And.Message.Contains("'features'").And.Message.Contains("224x224"));

    [Test]
    public void A_named_prefix_that_leaves_no_grid_is_an_error()
        => Assert.That(() => Find([1, 577, 8], new ImageSize(336, 336),
            new VisionEncoderOptions { PrefixTokenCount = 0 }),
            Throws.TypeOf<InvalidEncoderException>().With.Message.Contains("after 0 prefix tokens"));

    private static FeatureMap Find(long[] shape, ImageSize size, VisionEncoderOptions? options = null)
        => FeatureMap.Find("features", shape, size, PixelLayout.ChannelsFirst, options ?? new VisionEncoderOptions());
}
