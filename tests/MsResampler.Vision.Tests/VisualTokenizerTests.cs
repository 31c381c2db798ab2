using Microsoft.Extensions.AI;

namespace MsResampler.Vision.Tests;

internal sealed class VisualTokenizerTests : TemporaryFolderFixture
{
    private TestModel _model = null!;
    private VisionEncoder _encoder = null!;

    [OneTimeSetUp]
    public void Load()
    {
        _model = new TestModel(Configs.Of(Configs.Window(2, 2), Configs.None) with { VisionHiddenSize = 8 });
        _encoder = VisionEncoder.Load(new SmallVit { HasClassToken = true }.ToBytes(),
            new VisionEncoderOptions { Preprocessing = ImagePreprocessing.SigLip });
    }

    [OneTimeTearDown]
    public void Unload()
    {
        _encoder.Dispose();
        _model.Dispose();
    }

    [Test]
    public void Tokens_are_those_of_the_resampler_for_the_features_of_the_encoder()
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine);
        byte[] png = TestImages.Png(40, 30, 1);
        string path = Path.Combine(Folder.Path, "photo.png");
        File.WriteAllBytes(path, png);
        using EncodedImages encoded = _encoder.Encode(ImageInput.FromBytes(png));
        float[] expected = _model.Engine.Resample(encoded.Features(0), encoded.Grid);

        VisualTokens tokens = tokenizer.Tokenize(path);
        using MemoryStream stream = new(png);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens.Tokens.ToArray(), Is.EqualTo(expected));
            Assert.That((tokens.Count, tokens.Width, tokens.Grid), Is.EqualTo(
                (_model.Engine.TokenCount, _model.Engine.TokenWidth, new PatchGrid(4, 4))));
            Assert.That(tokenizer.Tokenize(png).Tokens.ToArray(), Is.EqualTo(expected));
            Assert.That(tokenizer.Tokenize(stream).Tokens.ToArray(), Is.EqualTo(expected));
            Assert.That(stream.CanRead, "the caller closes the stream");
        }
    }

    [Test]
    public async Task A_loaded_tokenizer_gives_the_same_tokens()
    {
        string encoder = new SmallVit { HasClassToken = true }.WriteTo(Folder.Path);
        string model = Path.Combine(Folder.Path, "model");
        ResamplerConfig config = _model.Model.Config;
        Directory.CreateDirectory(model);
        RandomModel.Write(model, config, System.Text.Encoding.UTF8.GetBytes(ConfigJson.Of(config)), seed: 1);
        VisualTokenizer tokenizer = VisualTokenizer.Load(encoder, model);
        ImageInput image = ImageInput.FromBytes(TestImages.Png(40, 30, 1));
        await tokenizer.WarmUpAsync();
        VisualTokens tokens = await tokenizer.TokenizeAsync(image);
        using VisualTokenizer other = new(_encoder, _model.Engine);
        Assert.That(tokens.Tokens.ToArray(), Is.EqualTo(other.Tokenize(image).Tokens.ToArray()));
        tokenizer.Dispose();
        Assert.That(() => tokenizer.Tokenize(image), Throws.TypeOf<ObjectDisposedException>());
    }

    [TestCase(1, 1, true)]
    [TestCase(3, 4, true)]
    [TestCase(3, 4, false)]
    [TestCase(64, 2, false)]
    public async Task A_stream_keeps_the_order_and_goes_on_after_bad_images(int batchSize, int decoderCount,
        bool hasClass)
    {
        const int Count = 150;
        using VisionEncoder encoder = VisionEncoder.Load(new SmallVit { HasClassToken = hasClass }.ToBytes(),
            new VisionEncoderOptions { Preprocessing = ImagePreprocessing.SigLip });
        using VisualTokenizer tokenizer = new(encoder, _model.Engine, new VisualTokenizerOptions
        {
            BatchSize = batchSize,
            DecoderCount = decoderCount,
        });
        ImageInput[] images = [.. Enumerable.Range(0, Count).Select(index => ImageInput.FromBytes(IsBad(index)
            ? new byte[index] : TestImages.Png(10 + (index % 7), 12, index), $"photo {index}"))];
        List<TokenizationResult> results = await tokenizer.TryTokenizeAsync(images).ToListAsync();
        Assert.That(results.Select(result => result.Index), Is.EqualTo(Enumerable.Range(0, Count)));
        foreach (TokenizationResult result in results)
        {
            Assert.That(result.Image, Is.SameAs(images[result.Index]));
            Assert.That(result.IsSuccess, Is.EqualTo(!IsBad((int)result.Index)));
            if (result.IsSuccess)
            {
                Assert.That(result.Tokens.Tokens.ToArray(),
                    Is.EqualTo(tokenizer.Tokenize(result.Image).Tokens.ToArray()));
                continue;
            }

            Assert.That(result.Error, Is.TypeOf<InvalidImageException>()
                .With.Message.StartsWith($"photo {result.Index}:"));
        }

        // Enough bad images in a row that they must not wait for a good one.
        static bool IsBad(int index) => index % 5 == 1 || index is > 40 and < 120;
    }

    [Test]
    public void The_first_bad_image_ends_the_simple_stream()
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine);
        ImageInput good = ImageInput.FromBytes(TestImages.Png(10, 10, 1));
        Assert.That(() => tokenizer.Tokenize([good, ImageInput.FromBytes("no picture"u8.ToArray(), "second")]),
            Throws.TypeOf<InvalidImageException>().With.Message.StartsWith("second:"));
        Assert.That(tokenizer.Tokenize([good, good]), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Few_images_are_in_memory()
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine, new VisualTokenizerOptions { DecoderCount = 2 });
        ImageInput image = ImageInput.FromBytes(TestImages.Png(10, 10, 1));
        int started = 0;
        IEnumerable<ImageInput> Source()
        {
            for (; started < 1000; started++)
                yield return image;
        }

        await foreach (TokenizationResult result in tokenizer.TryTokenizeAsync(Source()))
        {
            await Task.Delay(2);
            // One that is decoded and one that waits for each decoder, two batches, and one result, and what is between
            // the queues.
            Assert.That(Volatile.Read(ref started) - result.Index, Is.LessThan(12));
            if (result.Index == 100)
                break;
        }

        Assert.That(started, Is.LessThan(120), "a consumer that stops also stops the stages");
    }

    [Test]
    public async Task No_decoding_is_forgotten_when_a_stream_ends_early()
    {
        // Tasks of earlier tests.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        int unobservedCount = 0;
        void Count(object? sender, UnobservedTaskExceptionEventArgs arguments) => unobservedCount++;
        TaskScheduler.UnobservedTaskException += Count;
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine, new VisualTokenizerOptions { DecoderCount = 4 });
        ImageInput good = ImageInput.FromBytes(TestImages.Png(200, 200, 1));
        ImageInput bad = ImageInput.FromBytes(new byte[100]);
        for (int round = 0; round < 60; round++)
        {
            await foreach (TokenizationResult result in tokenizer.TryTokenizeAsync(
                Enumerable.Range(0, 1000).Select(index => index % 2 == 0 ? good : bad)))
            {
                if (result.Index == round % 5)
                    break;
            }
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        TaskScheduler.UnobservedTaskException -= Count;
        Assert.That(unobservedCount, Is.Zero);
    }

    [Test]
    public void A_cancelled_stream_ends()
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine);
        using CancellationTokenSource source = new();
        ImageInput image = ImageInput.FromBytes(TestImages.Png(10, 10, 1));
        Assert.That(async () =>
        {
            await foreach (TokenizationResult result in tokenizer.TryTokenizeAsync(Enumerable.Repeat(image, 10_000),
                source.Token))
            {
                if (result.Index == 10)
                    await source.CancelAsync();
            }
        }, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void An_exception_of_the_source_reaches_the_caller()
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine);
        Assert.That(() => tokenizer.TryTokenizeAsync(Broken()).ToListAsync().AsTask(),
            Throws.TypeOf<InvalidOperationException>().With.Message.EqualTo("no more"));

        static IEnumerable<ImageInput> Broken()
        {
            yield return ImageInput.FromBytes(TestImages.Png(10, 10, 1));
            throw new InvalidOperationException("no more");
        }
    }

    [TestCase(1)]
    [TestCase(8)]
    public void Images_before_an_exception_of_the_source_get_their_tokens(int batchSize)
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine,
            new VisualTokenizerOptions { BatchSize = batchSize });
        int count = 0;
        Assert.That(async () =>
        {
            await foreach (TokenizationResult result in tokenizer.TryTokenizeAsync(Broken()))
                count += result.IsSuccess ? 1 : 0;
        }, Throws.TypeOf<InvalidOperationException>());
        Assert.That(count, Is.EqualTo(11));

        static IEnumerable<ImageInput> Broken()
        {
            for (int index = 0; index < 11; index++)
                yield return ImageInput.FromBytes(TestImages.Png(10, 10, index));
            throw new InvalidOperationException("no more");
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_source_may_wait_for_results(bool isGood)
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine, new VisualTokenizerOptions { BatchSize = 4 });
        using SemaphoreSlim seen = new(1);
        byte[] bytes = isGood ? TestImages.Png(10, 10, 1) : [];
        await foreach (TokenizationResult result in tokenizer.TryTokenizeAsync(Source()))
            seen.Release();

        async IAsyncEnumerable<ImageInput> Source()
        {
            for (int index = 0; index < 3; index++)
            {
                Assert.That(await seen.WaitAsync(TimeSpan.FromSeconds(30)), "the result of the image before");
                yield return ImageInput.FromBytes(bytes);
            }
        }
    }

    [Test]
    public void Features_that_are_not_finite_are_an_error_of_the_image()
    {
        // Pixels of this deviation overflow in the embedding.
        using VisionEncoder encoder = VisionEncoder.Load(new SmallVit().ToBytes(), new VisionEncoderOptions
        {
            Preprocessing = ImagePreprocessing.SigLip with { Std = new ChannelValues(1e-38f) },
        });
        using VisualTokenizer tokenizer = new(encoder, _model.Engine, new VisualTokenizerOptions { BatchSize = 2 });
        ImageInput image = ImageInput.FromBytes(TestImages.Png(10, 10, 1));
        Assert.That(() => tokenizer.Tokenize(image), Throws.TypeOf<InvalidFeaturesException>());
        Assert.That(() => tokenizer.TryTokenizeAsync([image, image, image]).ToListAsync().AsTask().Result
            .Select(result => result.Error), Is.All.TypeOf<InvalidFeaturesException>());
    }

    [Test]
    public void An_encoder_for_another_resampler_is_an_error()
    {
        using VisionEncoder encoder = VisionEncoder.Load(new SmallVit { ChannelCount = 12 }.ToBytes(),
            new VisionEncoderOptions { Preprocessing = ImagePreprocessing.SigLip });
        Assert.That(() => new VisualTokenizer(encoder, _model.Engine), Throws.ArgumentException
            .With.Message.Contains("expected 8 channels").And.Message.Contains("found 12"));
    }

    [Test]
    public async Task Embeddings_are_the_tokens()
    {
        using VisualTokenizer tokenizer = new(_encoder, _model.Engine);
        byte[] png = TestImages.Png(40, 30, 1);
        GeneratedEmbeddings<VisualTokens> embeddings = await tokenizer.GenerateAsync(
            [new DataContent(png, "image/png"), new DataContent(png, "image/png")]);
        Assert.That(embeddings.Select(embedding => embedding.Tokens.ToArray()),
            Is.All.EqualTo(tokenizer.Tokenize(png).Tokens.ToArray()).And.Exactly(2).Items);
        Assert.That(() => tokenizer.GenerateAsync([new DataContent(png, "text/plain") { Name = "notes.txt" }]),
            Throws.ArgumentException.With.Message.Contains("notes.txt: expected an image, found text/plain"));
    }
}
