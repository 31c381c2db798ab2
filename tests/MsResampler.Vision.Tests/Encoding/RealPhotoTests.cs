using System.Numerics.Tensors;
using SkiaSharp;

namespace MsResampler.Vision.Tests.Encoding;

/// <summary>A trained encoder and real photos.</summary>
public class RealPhotoTests
{
    private static readonly string[] s_photos =
        ["astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg"];

    [Test]
    public void The_mean_of_the_last_map_is_what_the_model_pools()
    {
        using VisionEncoder maps = ResNet18.LoadOrSkip(ResNet18.LastMap);
        using VisionEncoder pools = ResNet18.LoadOrSkip(ResNet18.Pooled);
        foreach (string photo in s_photos)
        {
            ImageInput image = ImageInput.FromFile(VisionData.PathOrSkip(photo));
            using EncodedImages map = maps.Encode(image);
            using EncodedImages pooled = pools.Encode(image);
            Assert.That((map.Grid, map.ChannelCount), Is.EqualTo((new PatchGrid(7, 7), 512)));
            Assert.That((pooled.Grid, pooled.ChannelCount), Is.EqualTo((new PatchGrid(1, 1), 512)));
            float[] mean = Mean(map);
            // Sums of 49 values that are not negative, in two orders.
            float bound = 2 * 49 * MathF.ScaleB(1, -24) * TensorPrimitives.Max<float>(mean);
            Assert.That(mean, Is.EqualTo(pooled.Features(0).ToArray()).Within(bound), photo);
            Assert.That(TensorPrimitives.Max<float>(mean), Is.InRange(1f, 50f), "of a trained network");
        }
    }

    [Test]
    public void Features_of_one_photo_resemble_each_other_more_than_those_of_others()
    {
        using VisionEncoder encoder = ResNet18.LoadOrSkip(ResNet18.LastMap);
        float[][] photos = [.. s_photos.Select(photo
            => Mean(encoder, File.ReadAllBytes(VisionData.PathOrSkip(photo))))];
        for (int photo = 0; photo < s_photos.Length; photo++)
        {
            float[] view = Mean(encoder, Centre(VisionData.PathOrSkip(s_photos[photo])));
            float[] similarities = [.. photos.Select(other => TensorPrimitives.CosineSimilarity<float>(view, other))];
            Assert.That(similarities.IndexOf(similarities.Max()), Is.EqualTo(photo), s_photos[photo]);
        }
    }

    [Test]
    public void A_photo_becomes_tokens()
    {
        using VisionEncoder encoder = ResNet18.LoadOrSkip(ResNet18.MiddleMap);
        using TestModel model = new(Configs.Of(Configs.Window(4, 4), Configs.None) with { VisionHiddenSize = 256 });
        using VisualTokenizer tokenizer = new(encoder, model.Engine);
        string photo = VisionData.PathOrSkip("astronaut.png");
        VisualTokens tokens = tokenizer.Tokenize(photo);
        using EncodedImages encoded = encoder.Encode(ImageInput.FromFile(photo));
        Assert.That(tokens.Grid, Is.EqualTo(new PatchGrid(14, 14)));
        double[] expected = model.Reference.Resample(encoded.Features(0), tokens.Grid);
        double error = Tolerances.RelativeError(tokens.Tokens.ToArray(), expected);
        Assert.That(error, Is.LessThan(Tolerances.SinglePrecision));
    }

    private static float[] Mean(VisionEncoder encoder, byte[] image)
    {
        using EncodedImages encoded = encoder.Encode(ImageInput.FromBytes(image));
        return Mean(encoded);
    }

    private static float[] Mean(EncodedImages encoded)
    {
        float[] mean = new float[encoded.ChannelCount];
        ReadOnlySpan<float> features = encoded.Features(0);
        for (int patch = 0; patch < encoded.Grid.PatchCount; patch++)
            TensorPrimitives.Add(mean, features.Slice(patch * mean.Length, mean.Length), mean);
        TensorPrimitives.Divide(mean, encoded.Grid.PatchCount, mean);
        return mean;
    }

    /// <summary>The middle nine tenths of a photo, as JPEG.</summary>
    private static byte[] Centre(string path)
    {
        using SKBitmap photo = SKBitmap.Decode(path);
        using SKBitmap centre = new();
        SKRectI part = SKRectI.Create(photo.Width / 20, photo.Height / 20, photo.Width * 9 / 10, photo.Height * 9 / 10);
        Assert.That(photo.ExtractSubset(centre, part));
        using SKData jpeg = centre.Encode(SKEncodedImageFormat.Jpeg, 80);
        return jpeg.ToArray();
    }
}
