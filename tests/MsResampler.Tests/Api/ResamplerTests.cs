using MsResampler.Cpu;

namespace MsResampler.Tests.Api;

/// <summary>Arguments, options and errors of the public API.</summary>
internal sealed class ResamplerTests : ResamplerFixture
{
    [Test]
    public void Wrong_arguments_are_rejected_before_any_work()
    {
        using Resampler resampler = Load();
        float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];
        float[] features = Features[0];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => resampler.Resample(features.AsSpan(1), [Grids[0]], tokens),
                Throws.ArgumentException.With.Message.Contains(
                    "features: expected 240 (20 patches x 12 channels) values, found 239"));
            Assert.That(
                () => resampler.Resample(features, [Grids[0], new PatchGrid(1, 1)], new float[2 * TokenCount]),
                Throws.ArgumentException.With.Message.Contains("252 (21 patches"));
            Assert.That(() => resampler.Resample(features, [], []), Throws.ArgumentException);
            Assert.That(() => resampler.Resample(features, [Grids[0]], tokens.AsSpan(1)),
                Throws.ArgumentException.With.Message.Contains(
                    "tokens: expected 90 (1 images x 9 tokens x 10) values, found 89"));
            Assert.That(() => resampler.Resample(features, [Grids[0]], new float[TokenCount + 1]),
                Throws.ArgumentException);
            foreach (PatchGrid grid in new PatchGrid[] { new(0, 5), new(4, 0), new(-4, -5), new(-1, 1), default })
            {
                Assert.That(() => resampler.Resample(features, [grid], tokens),
                    Throws.ArgumentException.With.Message.Contains(
                        $"image 0: expected a patch grid of at least 1x1, found {grid}"));
                Assert.That(() => resampler.Explain(features, grid), Throws.ArgumentException);
            }

            Assert.That(() => resampler.Resample(features,
                [new(int.MaxValue, int.MaxValue), new(int.MaxValue, int.MaxValue),
                new(int.MaxValue, int.MaxValue)], tokens), Throws.ArgumentException);
            Assert.That(() => resampler.Explain(features, new PatchGrid(5, 5)), Throws.ArgumentException);
            Assert.That(() => resampler.Explain([], new PatchGrid(1, 1)), Throws.ArgumentException);
        }

        Assert.That(tokens, Is.All.EqualTo(Untouched));
    }

    [Test]
    public void A_batch_without_images_is_allowed()
    {
        using Resampler resampler = Load();

        Assert.That(() => resampler.Resample([], [], []), Throws.Nothing);
    }

    [Test]
    public void Tokens_must_not_overlap_the_features()
    {
        using Resampler resampler = Load();
        float[] memory = new float[240 + TokenCount];

        using (Assert.EnterMultipleScope())
        {
            foreach (int start in new[] { 0, 1, 240 - TokenCount, 239 })
                Assert.That(() => resampler.Resample(memory.AsSpan(0, 240), [Grids[0]],
                        memory.AsSpan(start, TokenCount)),
                    Throws.ArgumentException.With.Message.Contains("overlap"));
            Assert.That(() => resampler.Resample(memory.AsSpan(0, 240), [Grids[0]], memory.AsSpan(240, TokenCount)),
                Throws.Nothing);
        }
    }

    [Test]
    public void A_non_finite_feature_is_reported_with_its_position(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad)
    {
        using Resampler resampler = Load();
        float[] tokens = [.. Enumerable.Repeat(Untouched, 3 * TokenCount)];
        // Image 1 is 12×9: row 7, column 4, channel 11. The two later values must not be reported.
        float[] features = [.. Features[0], .. Features[2], .. Features[3]];
        features[240 + ((((7 * 9) + 4) * 12) + 11)] = bad;
        features[240 + (((7 * 9) + 5) * 12)] = float.NaN;
        features[^1] = float.NaN;

        InvalidFeaturesException error = Assert.Throws<InvalidFeaturesException>(
            () => resampler.Resample(features, [Grids[0], Grids[2], Grids[3]], tokens))!;

        Assert.That((error.ImageIndex, error.Row, error.Column, error.Channel), Is.EqualTo((1, 7, 4, 11)));
        Assert.That(error.Message,
            Does.StartWith($"image 1 (12x9 patches): the feature at row 7, column 4, channel 11 is {bad};"));
        Assert.That(tokens, Is.All.EqualTo(Untouched));
        Assert.That(() => resampler.Explain([.. Enumerable.Repeat(bad, 12)], new PatchGrid(1, 1)),
            Throws.TypeOf<InvalidFeaturesException>());
        AssertBits(Resample(resampler, 0), 0);
    }

    [Test]
    public void The_check_for_finite_features_can_be_disabled()
    {
        using Resampler resampler = Load(validate: false);
        float[] features = [.. Features[0], .. Features[2]];
        features[0] = float.NaN;
        float[] tokens = new float[2 * TokenCount];

        ActivationOverflowException error = Assert.Throws<ActivationOverflowException>(
            () => resampler.Resample(features, [Grids[0], Grids[2]], tokens))!;

        Assert.That(error.ImageIndex, Is.Zero);
        resampler.Resample(features.AsSpan(240), [Grids[2]], tokens.AsSpan(TokenCount));
        Assert.That(Bits(tokens.AsSpan(TokenCount)), Is.EqualTo(Bits(Alone[2])), "the model stays usable");
        Assert.That(() => resampler.Explain(features.AsSpan(0, 240), Grids[0]),
            Throws.TypeOf<ActivationOverflowException>());
    }

    [TestCase(Precision.TensorFloat32)]
    [TestCase(Precision.Float16)]
    [TestCase(Precision.BFloat16)]
    public void The_CPU_rejects_precisions_other_than_float32(Precision precision)
        => Assert.That(() => Resampler.Load(Model.Model, new ResamplerOptions { Precision = precision }),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains($"{precision}")
                .And.Message.Contains("float32"));

    [Test]
    public void An_undefined_precision_is_rejected()
        => Assert.That(() => Resampler.Load(Model.Model, new ResamplerOptions { Precision = (Precision)17 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("BFloat16"));

    [Test]
    public void Undefined_layers_of_8_bits_are_rejected()
        => Assert.That(() => Resampler.Load(Model.Model, new ResamplerOptions { Int8Layers = (ModelLayers)1024 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("1024"));

    [Test]
    public void An_undefined_weight_storage_is_rejected()
        => Assert.That(() => Resampler.Load(Model.Model, new ResamplerOptions { WeightStorage = (WeightStorage)2 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("Float32, AsStored"));

    [Test]
    public void Integers_replace_weights_as_they_are_stored()
        => Assert.That(() => Resampler.Load(Model.Model, new ResamplerOptions
        {
            Precision = Precision.Int8,
            WeightStorage = WeightStorage.AsStored,
        }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("found Precision.Int8").And.Message.Contains(
            "WeightStorage.Float32"));

    [Test]
    public void The_number_of_threads_is_an_option()
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (int count in new[] { 1, 4 })
            {
                using Resampler resampler = Load(count);
                Assert.That(resampler.ThreadCount, Is.EqualTo(count));
                Assert.That(resampler.Description, Does.EndWith(count == 1 ? ", 1 thread" : ", 4 threads"));
            }

            using Resampler automatic = Load(0);
            Assert.That(automatic.ThreadCount, Is.EqualTo(Environment.ProcessorCount));
            Assert.That(() => Load(-1), Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("ThreadCount"));
        }
    }

    [Test]
    public void The_memory_for_grids_is_an_option()
    {
        Assert.That(new ResamplerOptions().GridCacheBytes, Is.EqualTo(256L << 20));
        Assert.That(() => Resampler.Load(Model.Model, new ResamplerOptions { GridCacheBytes = -1 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("GridCacheBytes"));
        foreach (long bytes in new[] { 0, 1, long.MaxValue })
        {
            using Resampler resampler = Resampler.Load(Model.Model, new ResamplerOptions { GridCacheBytes = bytes });
            int[] images = [.. Enumerable.Range(0, Grids.Length)];
            AssertBits(Resample(resampler, images), images);
            AssertBits(Resample(resampler, [.. images.Reverse()]), [.. images.Reverse()]);
        }
    }

    [Test]
    public void The_instruction_set_can_be_forced()
    {
        string? kept = Environment.GetEnvironmentVariable(CpuVariant.EnvironmentVariable);
        try
        {
            foreach (CpuVariant variant in CpuVariant.All)
            {
                Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, variant.Name);
                if (!variant.IsSupported)
                {
                    Assert.That(() => Load(), Throws.TypeOf<NotSupportedException>());
                    continue;
                }

                using Resampler resampler = Load();
                Assert.That(resampler.Description, Does.StartWith($"cpu, {variant.Name}, "));
            }

            Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, "abacus");
            Assert.That(() => Load(), Throws.TypeOf<NotSupportedException>()
                .With.Message.Contains("found 'abacus'").And.Message.Contains("scalar"));
            Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, "");
            Assert.That(() => Load().Dispose(), Throws.Nothing);
        }
        finally
        {
            Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, kept);
        }
    }

    [Test]
    public void Files_are_not_needed_after_loading()
    {
        Resampler resampler;
        using (TestModel model = new(Config))
            resampler = Resampler.Load(model.Model);

        using (resampler)
            AssertBits(Resample(resampler, 2), 2);
    }
}
