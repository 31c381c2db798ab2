using MsResampler.Safetensors;
using SkiaSharp;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>The options of <c>run</c> for decoding and for encoders.</summary>
internal sealed class PictureOptionsTests : PhotoFixture
{
    [TestCase("--background", "204060")]
    [TestCase("--background", "#204060")]
    public void Transparent_pixels_are_drawn_over_the_background(params string[] option)
    {
        string transparent = Write("transparent.png", new SKColor(255, 0, 0, 0));
        string drawn = Write("drawn.png", new SKColor(0x20, 0x40, 0x60));
        string white = Write("white.png", SKColors.White);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tokens(transparent, option), Is.EqualTo(Tokens(drawn)));
            Assert.That(Tokens(transparent), Is.EqualTo(Tokens(white)).And.Not.EqualTo(Tokens(drawn)));
        }
    }

    [Test]
    public void Profiles_are_converted_or_ignored()
    {
        string path = In("p3.png");
        using SKColorSpace p3 = SKColorSpace.CreateRgb(SKColorSpaceTransferFn.Srgb, SKColorSpaceXyz.DisplayP3);
        using SKBitmap bitmap = new(new SKImageInfo(20, 20, SKColorType.Rgba8888, SKAlphaType.Opaque, p3));
        bitmap.GetPixelSpan().Fill(0x50);
        for (int pixel = 0; pixel < 400; pixel++)
            bitmap.GetPixelSpan()[4 * pixel] = 0xE0;
        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(path, png.ToArray());
        string stored = Write("stored.png", new SKColor(0xE0, 0x50, 0x50));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tokens(path, "--color-profiles", "ignore"), Is.EqualTo(Tokens(stored)));
            Assert.That(Tokens(path, "--color-profiles", "convert"), Is.EqualTo(Tokens(path))
                .And.Not.EqualTo(Tokens(stored)));
        }
    }

    [Test]
    public void The_output_and_the_prefix_can_be_named()
    {
        string picture = Write("picture.png", SKColors.Blue);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tokens(picture, "--encoder-output", "last_hidden_state", "--prefix-tokens", "1"),
                Is.EqualTo(Tokens(picture)));
            Run("--image", picture, "--out", In("x.npy"), "--encoder-output", "pooled")
                .FailsNaming("'pooled'", "'last_hidden_state'");
            Run("--image", picture, "--out", In("x.npy"), "--prefix-tokens", "5")
                .FailsNaming("after 5 prefix tokens");
        }
    }

    [TestCase("--background", "12345", "six hexadecimal digits")]
    [TestCase("--background", "12345g", "six hexadecimal digits")]
    [TestCase("--background", "-12345", "six hexadecimal digits")]
    [TestCase("--color-profiles", "keep", "convert or ignore")]
    [TestCase("--prefix-tokens", "-1", "from 0 to")]
    public void Other_values_are_errors(string option, string value, string expected)
        => Run("--image", In("x.png"), "--out", In("x.npy"), option, value).FailsNaming(option, expected);

    private string Write(string name, SKColor color)
    {
        using SKBitmap bitmap = new(new SKImageInfo(20, 20, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        bitmap.Erase(color);
        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        string path = In(name);
        File.WriteAllBytes(path, png.ToArray());
        return path;
    }

    private float[] Tokens(string picture, params string[] options)
    {
        string output = In("tokens.safetensors");
        Run(["--image", picture, "--out", output, .. options]).Succeeds();
        using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(output);
        TensorInfo tensor = file.Find("tokens")!;
        float[] tokens = new float[tensor.ElementCount];
        file.Read(tensor, 0, tokens);
        return tokens;
    }
}
