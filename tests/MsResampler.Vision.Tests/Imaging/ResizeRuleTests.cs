namespace MsResampler.Vision.Tests.Imaging;

internal sealed class ResizeRuleTests
{
    // Computed with smart_resize of Qwen2-VL and its default values.
    [TestCase(480, 640, 476, 644)]
    [TestCase(42, 70, 56, 56)]
    [TestCase(10, 10, 56, 56)]
    [TestCase(14, 1000, 28, 476)]
    [TestCase(3000, 4000, 840, 1148)]
    [TestCase(1, 200, 28, 812)]
    [TestCase(5712, 4284, 1148, 840)]
    [TestCase(100, 20000, 56, 14140)]
    public void Native_sizes_equal_smart_resize(int height, int width, int newHeight, int newWidth)
        => Assert.That(ResizeRule.Native(28, 56 * 56, 28 * 28 * 1280).SizeOf(new ImageSize(height, width)),
            Is.EqualTo(new ImageSize(newHeight, newWidth)));

    // Computed with get_resize_output_image_size of transformers.
    [TestCase(480, 641, 224, 299)]
    [TestCase(641, 480, 299, 224)]
    [TestCase(3000, 4000, 224, 298)]
    [TestCase(7, 5, 313, 224)]
    [TestCase(333, 1000, 224, 672)]
    public void The_longer_side_is_rounded_down(int height, int width, int newHeight, int newWidth)
        => Assert.That(ResizeRule.ShortestEdge(224).SizeOf(new ImageSize(height, width)),
            Is.EqualTo(new ImageSize(newHeight, newWidth)));

    [TestCase(480, 641, 74, 100)]
    [TestCase(641, 480, 100, 74)]
    [TestCase(1, 1000, 1, 100)]
    public void The_shorter_side_is_at_least_one(int height, int width, int newHeight, int newWidth)
        => Assert.That(ResizeRule.LongestEdge(100).SizeOf(new ImageSize(height, width)),
            Is.EqualTo(new ImageSize(newHeight, newWidth)));

    [Test]
    public void Impossible_rules_are_rejected()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ResizeRule.Exact(0, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => ResizeRule.ShortestEdge(-1), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => ResizeRule.Native(28, 100, 99), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => ResizeRule.Native(28, 1, 783), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void An_image_that_a_rule_rejects_is_named()
    {
        byte[] png = Pictures.Encode(201, 1, (_, _) => Pictures.Gray(1));
        ImagePreprocessor preprocessor = new(new() { Resize = ResizeRule.Native(28, 1, 1 << 20) });
        Assert.That(() => preprocessor.Prepare(ImageInput.FromBytes(png, "strip")),
            Throws.TypeOf<InvalidImageException>().With.Message.Contains("strip: 1x201"));
    }

    [Test]
    public void Presets_adapt_to_the_size_of_an_encoder()
    {
        ImageSize input = new(384, 384), upright = new(1000, 700);
        ImagePreprocessing clip = ImagePreprocessing.Clip.For(input);
        ImagePreprocessing imageNet = ImagePreprocessing.ImageNet.For(input);
        ImagePreprocessing native = new() { Resize = ResizeRule.Native(28, 1, 1 << 20) };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(clip.Resize, Is.EqualTo(ResizeRule.ShortestEdge(384)));
            Assert.That(imageNet.Resize, Is.EqualTo(ResizeRule.ShortestEdge(439)), "384 * 256 / 224");
            Assert.That(ImagePreprocessing.SigLip.For(input).Resize, Is.EqualTo(ResizeRule.Exact(384, 384)));
            Assert.That(native.OutputSizeOf(upright), Is.EqualTo(new ImageSize(1008, 700)));
            ResizeRule[] rules = [clip.Resize, imageNet.Resize, native.Resize, ResizeRule.LongestEdge(50),
                ResizeRule.ShortestEdge(10), ResizeRule.Exact(7, 9)];
            foreach (ResizeRule rule in rules)
            {
                foreach (ImageSize? crop in new ImageSize?[] { null, new(5, 7) })
                {
                    ImageSize wide = new(100, 300);
                    ImagePreprocessing steps = (clip with { Resize = rule, Crop = crop }).For(wide);
                    Assert.That(steps.OutputSizeOf(upright), Is.EqualTo(wide), $"{rule}, {crop}");
                }
            }
        }
    }
}
