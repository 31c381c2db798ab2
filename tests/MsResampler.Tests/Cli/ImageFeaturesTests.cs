using MsResampler.Cli.Input;
using MsResampler.Vision;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

internal sealed class ImageFeaturesTests : CliFixture
{
    // PNG and lossless decoding are exact; the weights of the filter sum to 1 within float rounding.
    private const double Tolerance = 1e-5;

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
}
