namespace MsResampler.Vision.Tests.Imaging;

internal sealed class PreprocessorConfigTests : TemporaryFolderFixture
{
    [Test]
    public void Clip_is_the_preset()
    {
        Assert.That(Load("""
            {
              "crop_size": { "height": 224, "width": 224 }, "do_center_crop": true, "do_convert_rgb": true,
              "do_normalize": true, "do_resize": true, "feature_extractor_type": "CLIPFeatureExtractor",
              "image_mean": [0.48145466, 0.4578275, 0.40821073],
              "image_std": [0.26862954, 0.26130258, 0.27577711],
              "resample": 3, "size": { "shortest_edge": 224 }
            }
            """), Is.EqualTo(ImagePreprocessing.Clip));
        Assert.That(Load("""{ "image_processor_type": "CLIPImageProcessorFast", "size": 224, "crop_size": 224 }"""),
            Is.EqualTo(ImagePreprocessing.Clip), "older files have numbers, and omit default values");
    }

    [Test]
    public void SigLip_has_an_exact_size()
        => Assert.That(Load("""
            {
              "do_convert_rgb": null, "do_normalize": true, "do_rescale": true, "do_resize": true,
              "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "SiglipImageProcessor",
              "image_std": [0.5, 0.5, 0.5], "processor_class": "SiglipProcessor", "resample": 3,
              "rescale_factor": 0.00392156862745098, "size": { "height": 384, "width": 384 }
            }
            """), Is.EqualTo(ImagePreprocessing.SigLip.For(new ImageSize(384, 384))));

    [Test]
    public void DinoV2_crops_with_the_processor_of_BiT()
    {
        ImagePreprocessing steps = Load("""
            {
              "crop_size": { "height": 224, "width": 224 }, "do_center_crop": true, "do_convert_rgb": true,
              "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
              "image_processor_type": "BitImageProcessor", "image_std": [0.229, 0.224, 0.225], "resample": 3,
              "rescale_factor": 0.00392156862745098, "size": { "shortest_edge": 256 }
            }
            """);
        Assert.That(steps, Is.EqualTo(ImagePreprocessing.ImageNet with { Resampling = Resampling.Bicubic }));
    }

    [Test]
    public void ViT_and_DeiT_take_a_number_as_a_square()
    {
        ImagePreprocessing vit = Load("""
            { "do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
              "feature_extractor_type": "ViTFeatureExtractor", "resample": 2, "size": 224 }
            """);
        ImagePreprocessing deit = Load("""{ "image_processor_type": "DeiTImageProcessor" }""");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(vit, Is.EqualTo(ImagePreprocessing.SigLip with { Resampling = Resampling.Bilinear }));
            Assert.That(deit.Resize, Is.EqualTo(ResizeRule.Exact(256, 256)));
            Assert.That(deit.Crop, Is.EqualTo(new ImageSize(224, 224)));
        }
    }

    [TestCase(224, "ShortestEdge(256)")]
    [TestCase(383, "ShortestEdge(437)")]
    [TestCase(384, "Exact(384, 384)")]
    public void ConvNext_crops_a_fraction_of_small_images(int side, string resize)
    {
        ImagePreprocessing steps = Load($$"""
            { "image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875, "resample": 3,
              "size": { "shortest_edge": {{side}} } }
            """);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(steps.Resize.ToString(), Is.EqualTo(resize));
            Assert.That(steps.OutputSizeOf(new ImageSize(500, 900)), Is.EqualTo(new ImageSize(side, side)));
        }
    }

    [TestCase("\"min_pixels\": 3136, \"max_pixels\": 12845056", "Native(28, 3136, 12845056)")]
    [TestCase("\"size\": { \"shortest_edge\": 3136, \"longest_edge\": 12845056 }", "Native(28, 3136, 12845056)")]
    [TestCase("\"patch_size\": 16, \"merge_size\": 2", "Native(32, 3136, 1003520)")]
    public void Qwen2VL_has_native_resolution(string fields, string resize)
        => Assert.That(Load($$"""{ "image_processor_type": "Qwen2VLImageProcessorFast", {{fields}} }""").Resize
            .ToString(), Is.EqualTo(resize));

    [Test]
    public void Steps_can_be_switched_off()
    {
        ImagePreprocessing steps = Load("""
            { "image_processor_type": "CLIPImageProcessor", "do_resize": false, "do_center_crop": false,
              "do_rescale": false, "do_normalize": false, "do_pad": false }
            """);
        ImagePreprocessor preprocessor = new(steps);
        RgbImage image = preprocessor.Prepare(ImageInput.FromBytes(Pictures.Encode(3, 1, (x, _)
            => Pictures.Gray(100 * x))));
        float[] values = new float[9];
        preprocessor.Write(image, PixelLayout.ChannelsLast, values);
        Assert.That(values, Is.EqualTo(new float[] { 0, 0, 0, 100, 100, 100, 200, 200, 200 }));
    }

    [Test]
    public void A_folder_may_have_either_file()
    {
        File.WriteAllText(Folder.File("processor_config.json"), """
            { "processor_class": "CLIPProcessor",
              "image_processor": { "image_processor_type": "CLIPImageProcessor", "size": { "shortest_edge": 336 },
                "crop_size": { "height": 336, "width": 336 } } }
            """);
        ImagePreprocessing expected = ImagePreprocessing.Clip.For(new ImageSize(336, 336));
        Assert.That(ImagePreprocessing.Load(Folder.Path), Is.EqualTo(expected));
        File.WriteAllText(Folder.File("preprocessor_config.json"),
            """{ "image_processor_type": "CLIPImageProcessor" }""");
        Assert.That(ImagePreprocessing.Load(Folder.Path), Is.EqualTo(ImagePreprocessing.Clip), "comes first");
    }

    [TestCase("\"resample\": 6", "field 'resample': expected a whole number from 0 to 5, found 6")]
    [TestCase("\"image_std\": [1, 0, 1]", "field 'image_std': expected 3 positive numbers, found [1, 0, 1]")]
    [TestCase("\"image_mean\": [1, 2]", "field 'image_mean': expected 3 numbers, found [1, 2]")]
    [TestCase("\"do_resize\": 1", "field 'do_resize': expected true or false, found 1")]
    [TestCase("\"do_pad\": true", "field 'do_pad': expected false, because this library lacks the step, found true")]
    [TestCase("\"size\": { \"height\": 3 }", "field 'size.width': expected a whole number from 1")]
    [TestCase("\"size\": { \"shortest_edge\": 3, \"longest_edge\": 4 }", "'size.longest_edge': expected nothing")]
    [TestCase("\"crop_size\": 0", "field 'crop_size': expected a whole number from 1")]
    [TestCase("\"rescale_factor\": -1", "field 'rescale_factor': expected a positive number, found -1")]
    public void A_wrong_field_is_named(string field, string message)
        => Assert.That(() => Load($$"""{ "image_processor_type": "CLIPImageProcessor", {{field}} }"""),
            Throws.TypeOf<InvalidModelException>().With.Message.Contains(message)
                .And.Message.Contains("preprocessor_config.json: "));

    [TestCase("{}", "field 'image_processor_type': expected a non-empty string, found nothing")]
    [TestCase("{ \"image_processor_type\": \"SamImageProcessor\" }", "expected one of \"CLIPImageProcessor\"")]
    [TestCase("{ \"image_processor_type\": \"Qwen2VLImageProcessor\", \"max_pixels\": 3 }", "field 'max_pixels'")]
    [TestCase("{ \"image_processor_type\": \"ConvNextImageProcessor\", \"size\": 100, \"crop_pct\": 2 }", "crop_pct")]
    [TestCase("<html>", "found an HTML page")]
    public void A_wrong_file_is_an_error(string json, string message)
        => Assert.That(() => Load(json), Throws.TypeOf<InvalidModelException>().With.Message.Contains(message));

    [Test]
    public void A_missing_file_is_an_error()
        => Assert.That(() => ImagePreprocessing.Load(Folder.Path),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("preprocessor_config.json"));

    // Computed with NumPy as in transformers: v * (1/255) in double precision, the rest in single precision.
    [TestCase(0, 0xBFE568DCu, 0xBFE044B8u, 0xBFBD77D8u)]
    [TestCase(1, 0xBFE38A7Fu, 0xBFDE58F1u, 0xBFBBA5E1u)]
    [TestCase(50, 0xBF87FACCu, 0xBF8037FEu, 0xBF44EB5Fu)]
    [TestCase(128, 0x3D9C5620u, 0x3E2CF36Bu, 0x3EAE0DC4u)]
    [TestCase(255, 0x3FF71541u, 0x4004CAE5u, 0x40095660u)]
    public void Values_have_the_bits_of_transformers(int level, uint red, uint green, uint blue)
    {
        ImagePreprocessor preprocessor = new(ImagePreprocessing.Clip);
        RgbImage image = new(new ImageSize(1, 2), [.. Enumerable.Repeat((byte)level, 3), 0, 0, 0]);
        float[] planes = new float[6], pixels = new float[6];
        preprocessor.Write(image, PixelLayout.ChannelsFirst, planes);
        preprocessor.Write(image, PixelLayout.ChannelsLast, pixels);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(pixels[..3].Select(BitConverter.SingleToUInt32Bits), Is.EqualTo(new[] { red, green, blue }));
            Assert.That(new[] { planes[0], planes[2], planes[4] }, Is.EqualTo(pixels[..3]));
            Assert.That(new[] { planes[1], planes[3], planes[5] }, Is.EqualTo(pixels[3..]));
            Assert.That(() => preprocessor.Write(image, PixelLayout.ChannelsFirst, new float[5]),
                Throws.ArgumentException);
        }
    }

    [Test]
    public void Impossible_steps_are_rejected()
    {
        ImagePreprocessing steps = ImagePreprocessing.Clip;
        ImagePreprocessing[] wrong =
        [
            steps with { Std = new ChannelValues(0) },
            steps with { Mean = new ChannelValues(float.NaN) },
            steps with { RescaleFactor = double.PositiveInfinity },
            steps with { Crop = new ImageSize(0, 4) },
            steps with { Resampling = (Resampling)6 },
            steps with { Decoding = new() { MaxPixelCount = 0 } },
        ];
        foreach (ImagePreprocessing each in wrong)
            Assert.That(() => new ImagePreprocessor(each), Throws.ArgumentException, $"{each}");
    }

    private ImagePreprocessing Load(string json)
    {
        string path = Folder.File("preprocessor_config.json");
        File.WriteAllText(path, json);
        return ImagePreprocessing.Load(path);
    }
}
