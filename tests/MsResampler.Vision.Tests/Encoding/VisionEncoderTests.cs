using Microsoft.ML.OnnxRuntime.Tensors;

namespace MsResampler.Vision.Tests.Encoding;

internal sealed class VisionEncoderTests : TemporaryFolderFixture
{
    // About 200 rounded operations on values below 2 for each feature: 200 x 2^-24 x 2.
    private const double FloatError = 2.5e-5;

    // Input and output are rounded to 11 bits: features are below 4, and errors of pixels add up in the embedding.
    private const double HalfError = 4e-3;

    private static readonly ImageSize s_wide = new(16, 24);

    private static IEnumerable<TestCaseData> Encoders()
    {
        foreach (ImageSize? size in new ImageSize?[] { new(16, 16), s_wide, null })
            foreach (PixelLayout input in Enum.GetValues<PixelLayout>())
                foreach (FeatureLayout output in Enum.GetValues<FeatureLayout>())
                    yield return Case(new SmallVit { Size = size, InputLayout = input, OutputLayout = output });
        foreach (PixelLayout input in Enum.GetValues<PixelLayout>())
        {
            yield return Case(new SmallVit { HasClassToken = true, InputLayout = input });
            yield return Case(new SmallVit { HasClassToken = true, InputLayout = input, Size = s_wide, BatchSize = 3 });
            yield return Case(new SmallVit { HasClassToken = true, InputLayout = input, Size = null });
        }

        yield return Case(new SmallVit { DeclaresOutput = false, HasClassToken = true });
        yield return Case(new SmallVit
        {
            DeclaresOutput = false,
            Size = s_wide,
            OutputLayout = FeatureLayout.ChannelsLast,
        });
        yield return Case(new SmallVit { HasOtherOutputs = true });
        foreach (FeatureLayout output in Enum.GetValues<FeatureLayout>())
            yield return Case(new SmallVit { Type = TensorElementType.Float16, OutputLayout = output });

        static TestCaseData Case(SmallVit vit) => new TestCaseData(vit).SetArgDisplayNames($"{vit.Size}".Length == 0
            ? "any size" : $"{vit.Size}", $"{vit.InputLayout}", $"{vit.OutputLayout}", $"{vit.Type}",
            $"{vit.BatchSize}", $"{vit.HasClassToken}", $"{vit.DeclaresOutput}", $"{vit.HasOtherOutputs}");
    }

    [TestCaseSource(nameof(Encoders))]
    public void Features_agree_with_the_model_in_double_precision(SmallVit vit)
    {
        using VisionEncoder encoder = Load(vit);
        RgbImage[] images = [.. Enumerable.Range(0, vit.BatchSize ?? 3).Select(seed => encoder.Prepare(Image(seed)))];
        using EncodedImages encoded = encoder.Encode(images);
        Assert.That(encoded.ChannelCount, Is.EqualTo(vit.ChannelCount).And.EqualTo(encoder.ChannelCount));
        ImageSize size = images[0].Size;
        Assert.That(encoded.Grid, Is.EqualTo(new PatchGrid(size.Height / vit.PatchSize, size.Width / vit.PatchSize)));
        for (int image = 0; image < images.Length; image++)
        {
            double[] expected = vit.Features(Pixels(encoder, images[image]), size);
            Assert.That(encoded.Features(image).ToArray(), Is.EqualTo(expected)
                .Within(vit.Type == TensorElementType.Float16 ? HalfError : FloatError), $"image {image}");
        }
    }

    [Test]
    public void An_encoder_of_bytes_gets_the_levels()
    {
        SmallVit vit = new() { Type = TensorElementType.UInt8 };
        using VisionEncoder encoder = Load(vit);
        RgbImage image = encoder.Prepare(Image(1));
        using EncodedImages encoded = encoder.Encode([image]);
        float[] pixels = Pixels(encoder, image);
        // The graph itself divides by 255, where SigLIP would give 2 v / 255 - 1.
        double[] expected = vit.Features([.. pixels.Select(value => (value + 1) / 2)], image.Size);
        Assert.That(encoded.Features(0).ToArray(), Is.EqualTo(expected).Within(FloatError));
    }

    [Test]
    public void Fewer_images_than_a_fixed_batch_are_enough()
    {
        using VisionEncoder encoder = Load(new SmallVit { BatchSize = 4, HasClassToken = true });
        using EncodedImages alone = encoder.Encode(Image(2));
        using EncodedImages both = encoder.Encode([encoder.Prepare(Image(3)), encoder.Prepare(Image(2))]);
        Assert.That(both.Count, Is.EqualTo(2));
        Assert.That(both.Features(1).ToArray(), Is.EqualTo(alone.Features(0).ToArray()));
    }

    [Test]
    public void Rows_of_float32_are_not_copied()
    {
        const int MiB = 1 << 20;
        SmallVit vit = new()
        {
            Size = new ImageSize(256, 256),
            ChannelCount = 512,
            OutputLayout = FeatureLayout.ChannelsLast,
        };
        using VisionEncoder encoder = Load(vit);
        RgbImage image = encoder.Blank();
        encoder.Encode([image]).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        using EncodedImages encoded = encoder.Encode([image]);
        Assert.That(encoded.Features(0).Length, Is.EqualTo(64 * 64 * 512));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(MiB), "8 MiB of features");
    }

    [Test]
    public void The_grid_follows_the_image_if_the_size_is_free()
    {
        using VisionEncoder encoder = Load(new SmallVit { Size = null }, new ImagePreprocessing
        {
            Resize = ResizeRule.Native(multiple: 4, minPixels: 16, maxPixels: 1024),
        });
        using EncodedImages wide = encoder.Encode(ImageInput.FromBytes(TestImages.Png(20, 44, 0)));
        using EncodedImages tall = encoder.Encode(ImageInput.FromBytes(TestImages.Png(33, 17, 0)));
        Assert.That((wide.Grid, tall.Grid), Is.EqualTo((new PatchGrid(5, 11), new PatchGrid(8, 4))));
    }

    [Test]
    public void The_preprocessing_beside_the_model_is_used()
    {
        string path = new SmallVit().WriteTo(Folder.Path,
            """{"image_processor_type":"CLIPImageProcessor","image_mean":[0.1,0.2,0.3],"image_std":[1,1,1]}""");
        using VisionEncoder encoder = VisionEncoder.Load(path);
        Assert.That(encoder.Preprocessing.Mean, Is.EqualTo(new ChannelValues(0.1f, 0.2f, 0.3f)));
        Assert.That(encoder.InputSize, Is.EqualTo(new ImageSize(16, 16)));
        string inside = Path.Combine(Folder.Path, "onnx", "model.onnx");
        Directory.CreateDirectory(Path.GetDirectoryName(inside)!);
        File.Copy(path, inside);
        using VisionEncoder below = VisionEncoder.Load(inside);
        Assert.That(below.Preprocessing, Is.EqualTo(encoder.Preprocessing), "one folder above");
        File.Delete(Path.Combine(Folder.Path, "preprocessor_config.json"));
        Assert.That(() => VisionEncoder.Load(path), Throws.TypeOf<FileNotFoundException>()
            .With.Message.Contains("preprocessor_config.json").And.Message.Contains("SigLip").And
            .Property(nameof(FileNotFoundException.FileName)).EqualTo(Folder.File("preprocessor_config.json")));
    }

    [Test]
    public void Files_that_are_no_encoders_are_errors_that_name_them()
    {
        string path = Path.Combine(Folder.Path, "text.onnx");
        File.WriteAllText(path, "no model");
        Assert.That(() => VisionEncoder.Load(path), Throws.TypeOf<InvalidEncoderException>()
            .With.Message.Contains(path));
        Assert.That(() => VisionEncoder.Load(Folder.Path), Throws.TypeOf<FileNotFoundException>()
            .With.Message.Contains("a folder"));
        Assert.That(() => VisionEncoder.Load(path + "x"), Throws.TypeOf<FileNotFoundException>()
            .With.Message.Contains("found nothing"));
    }

    [Test]
    public void Names_that_do_not_exist_are_errors_that_list_those_that_do()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Load(new SmallVit(), options: new VisionEncoderOptions { OutputName = "pooled" }),
                Throws.TypeOf<InvalidEncoderException>().With.Message.Contains("'pooled'")
                    .And.Message.Contains("'last_hidden_state' float [?,16,8]"));
            Assert.That(() => Load(new SmallVit(), options: new VisionEncoderOptions { InputName = "image" }),
                Throws.TypeOf<InvalidEncoderException>().With.Message.Contains("'image'")
                    .And.Message.Contains("'pixel_values' float [?,3,16,16]"));
            Assert.That(() => Load(new SmallVit(),
                options: new VisionEncoderOptions { InputLayout = PixelLayout.ChannelsLast }),
                Throws.TypeOf<InvalidEncoderException>().With.Message.Contains("3 channels"));
        }
    }

    [Test]
    public void Images_of_another_size_are_rejected()
    {
        using VisionEncoder encoder = Load(new SmallVit { BatchSize = 2 });
        RgbImage good = encoder.Blank();
        RgbImage bad = new(new ImageSize(8, 16), new byte[3 * 8 * 16]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => encoder.Encode([good, bad]), Throws.ArgumentException
                .With.Message.Contains("image 1: expected 16x16 pixels").And.Message.Contains("found 8x16"));
            Assert.That(() => encoder.Encode(Array.Empty<RgbImage>()), Throws.ArgumentException
                .With.Message.Contains("at least 1 image"));
            Assert.That(() => encoder.Encode([good, good, good]), Throws.ArgumentException
                .With.Message.Contains("at most 2 images"));
        }
    }

    [Test]
    public void A_cancelled_call_stops_and_leaves_the_encoder_usable()
    {
        // About 2 seconds of work.
        using VisionEncoder encoder = Load(new SmallVit { Size = null });
        RgbImage large = new(new ImageSize(400, 400), new byte[3 * 400 * 400]);
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(20));
        Assert.That(() => encoder.Encode([large], source.Token), Throws.InstanceOf<OperationCanceledException>());
        using EncodedImages encoded = encoder.Encode(Image(0));
        Assert.That(encoded.Count, Is.EqualTo(1));
    }

    [Test]
    public void Disposal_waits_for_calls_and_rejects_later_ones()
    {
        VisionEncoder encoder = Load(new SmallVit { Size = null });
        RgbImage image = new(new ImageSize(200, 200), new byte[3 * 200 * 200]);
        Task[] calls = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            try
            {
                for (int call = 0; call < 100; call++)
                    encoder.Encode([image]).Dispose();
                Assert.Fail("the encoder was not disposed");
            }
            catch (ObjectDisposedException)
            {
                // Expected for calls that start after the disposal.
            }
        }))];
        Thread.Sleep(50);
        encoder.Dispose();
        Assert.That(() => Task.WhenAll(calls), Throws.Nothing);
    }

    private static VisionEncoder Load(SmallVit vit, ImagePreprocessing? preprocessing = null,
        VisionEncoderOptions? options = null)
    {
        options ??= new VisionEncoderOptions();
        options.Preprocessing = preprocessing
            ?? (vit.Size is null ? ImagePreprocessing.SigLip.For(s_wide) : ImagePreprocessing.SigLip);
        return VisionEncoder.Load(vit.ToBytes(), options);
    }

    private static ImageInput Image(int seed) => ImageInput.FromBytes(TestImages.Png(21, 30, seed));

    private static float[] Pixels(VisionEncoder encoder, RgbImage image)
    {
        float[] pixels = new float[image.Pixels.Length];
        new ImagePreprocessor(encoder.Preprocessing).Write(image, PixelLayout.ChannelsFirst, pixels);
        return pixels;
    }
}
