using MsResampler.Planning;

namespace MsResampler.Tests.Api;

/// <summary>The tokens of an image have the same bits in any batch, on any thread.</summary>
internal sealed class ResamplerBatchTests : ResamplerFixture
{
    [Test]
    public void The_test_images_use_every_strategy()
    {
        using Resampler resampler = Load();

        Assert.That(Grids.SelectMany(grid => resampler.Plan(grid).Scopes).Select(scope => scope.Keys).Distinct(),
            Is.EquivalentTo(Enum.GetValues<ProjectionStrategy>()));
    }

    [Test]
    public void Tokens_have_the_same_bits_in_any_batch_and_on_any_thread_count([Values(1, 2, 3, 5)] int threadCount)
    {
        using Resampler resampler = Load(threadCount);
        int[] all = [.. Enumerable.Range(0, Grids.Length)];
        Random random = new(threadCount);

        foreach (int image in all)
            AssertBits(Resample(resampler, image), image);
        AssertBits(Resample(resampler, all), all);
        AssertBits(Resample(resampler, [.. all.Reverse()]), [.. all.Reverse()]);
        for (int run = 0; run < 10; run++)
        {
            int[] images = random.GetItems(all, random.Next(1, 40));
            AssertBits(Resample(resampler, images), images);
        }
    }

    [Test]
    public void Tokens_have_the_same_bits_in_concurrent_calls()
    {
        using Resampler resampler = Load(3);

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, caller =>
        {
            Random random = new(caller);
            for (int run = 0; run < 12; run++)
            {
                int[] images = random.GetItems([.. Enumerable.Range(0, Grids.Length)], random.Next(1, 6));
                AssertBits(Resample(resampler, images), images);
            }
        });
    }

    [Test]
    public void Tokens_have_the_same_bits_in_any_batch_for_any_gate_width(
        [Values(1, 5, 17)] int gateWidth, [Values(1, 2, 7)] int queryCount)
    {
        using TestModel model = new(Config with
        {
            QueryGrid = new QueryGrid(1, queryCount),
            Gate = new GateConfig(gateWidth, GateGranularity.Token),
        });
        PatchGrid grid = new(3, 4);
        const int ImageCount = 9;
        float[] features = model.RandomFeatures(new PatchGrid(3, 4 * ImageCount), 1);
        int featureCount = features.Length / ImageCount;
        float[] batch = new float[ImageCount * queryCount * Config.OutputSize];
        float[] alone = new float[batch.Length];
        int tokenCount = batch.Length / ImageCount;

        model.Engine.Resample(features, [.. Enumerable.Repeat(grid, ImageCount)], batch);
        for (int image = 0; image < ImageCount; image++)
            model.Engine.Resample(features.AsSpan(image * featureCount, featureCount), [grid],
                alone.AsSpan(image * tokenCount, tokenCount));

        Assert.That(Bits(batch), Is.EqualTo(Bits(alone)));
    }

    [Test]
    public void Tokens_have_the_same_bits_for_complete_and_partial_tiles()
    {
        // The widths are multiples of the widest tile, so only the number of rows decides whether a tile is complete.
        using TestModel model = new(Config with
        {
            VisionHiddenSize = 64,
            HiddenSize = 128,
            AttentionHeadCount = 2,
            OutputSize = 64,
            Gate = new GateConfig(64, GateGranularity.Token),
        });
        PatchGrid[] grids = [new(1, 1), new(5, 7), new(12, 9), new(1, 30), new(3, 3)];
        float[][] features = [.. grids.Select((grid, image) => model.RandomFeatures(grid, image))];
        int tokenCount = Config.QueryGrid.QueryCount * 64;
        float[] batch = new float[grids.Length * tokenCount];
        float[] alone = new float[batch.Length];

        model.Engine.Resample([.. features.SelectMany(values => values)], grids, batch);
        for (int image = 0; image < grids.Length; image++)
            model.Engine.Resample(features[image], [grids[image]], alone.AsSpan(image * tokenCount, tokenCount));

        Assert.That(Bits(batch), Is.EqualTo(Bits(alone)));
    }
}
