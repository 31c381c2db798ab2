namespace MsResampler.Tests.Api;

/// <summary>A model, images of many grids and the tokens of each.</summary>
[NonParallelizable]
internal abstract class ResamplerFixture
{
    protected const float Untouched = 77;

    /// <summary>Three scopes that use different strategies on the larger grids, and a gate width that is not a
    /// multiple of a vector.</summary>
    protected static ResamplerConfig Config { get; } = Configs.Mixed;

    protected static PatchGrid[] Grids { get; } =
    [
        new(4, 5), new(1, 1), new(12, 9), new(4, 5), new(1, 30), new(17, 2), new(4, 5), new(12, 9), new(3, 3),
        new(24, 24),
    ];

    protected TestModel Model { get; private set; } = null!;

    /// <summary>The features of each image.</summary>
    protected float[][] Features { get; private set; } = null!;

    /// <summary>The tokens of each image, computed alone on one thread.</summary>
    protected float[][] Alone { get; private set; } = null!;

    protected static int TokenCount => Config.QueryGrid.QueryCount * Config.OutputSize;

    [OneTimeSetUp]
    public void Create()
    {
        Model = new TestModel(Config);
        Features = [.. Grids.Select((grid, image) => Model.RandomFeatures(grid, image))];
        using Resampler resampler = Load(threadCount: 1);
        Alone = [.. Grids.Select((_, image) => Resample(resampler, image))];
    }

    [OneTimeTearDown]
    public void Delete() => Model.Dispose();

    protected Resampler Load(int threadCount = 2, bool validate = true)
        => Resampler.Load(Model.Model, new ResamplerOptions
        {
            ThreadCount = threadCount,
            ValidateFeatures = validate,
            ProcessorCount = Math.Max(threadCount, Environment.ProcessorCount),
        });

    protected float[] Resample(Resampler resampler, params int[] images)
    {
        float[] tokens = new float[images.Length * TokenCount];
        resampler.Resample([.. images.SelectMany(image => Features[image])],
            [.. images.Select(image => Grids[image])], tokens);
        return tokens;
    }

    protected void AssertBits(float[] tokens, params int[] images)
    {
        for (int index = 0; index < images.Length; index++)
            Assert.That(Bits(tokens.AsSpan(index * TokenCount, TokenCount)), Is.EqualTo(Bits(Alone[images[index]])),
                $"image {images[index]} at {index} of {string.Join(", ", images)}");
    }

    protected static int[] Bits(ReadOnlySpan<float> values)
        => [.. System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(values)];
}
