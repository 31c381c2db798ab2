using System.Buffers;
using System.Numerics.Tensors;

namespace MsResampler.Tests.Api;

/// <summary>Calls with tensors and calls that allocate their result give the bits of the call with spans.</summary>
internal sealed class TensorCallTests : ResamplerFixture
{
    /// <summary>Images of the same grid, and how many they are.</summary>
    private static readonly int[] s_images = [0, 3, 6];

    private static PatchGrid Grid => Grids[0];

    private static nint[] BatchShape => [s_images.Length, Grid.Rows, Grid.Columns, Config.VisionHiddenSize];

    private static nint[] TokenShape => [s_images.Length, Config.QueryGrid.QueryCount, Config.OutputSize];

    private float[] BatchFeatures => [.. s_images.SelectMany(image => Features[image])];

    [Test]
    public void Sizes_have_names()
    {
        using Resampler resampler = Load();

        using (Assert.EnterMultipleScope())
        {
            Assert.That((resampler.TokenCount, resampler.TokenWidth, resampler.FeatureWidth),
                Is.EqualTo((Config.QueryGrid.QueryCount, Config.OutputSize, Config.VisionHiddenSize)));
            Assert.That(resampler.TokenLength(0), Is.Zero);
            Assert.That(resampler.TokenLength(3), Is.EqualTo(3 * TokenCount));
            Assert.That(resampler.FeatureLength(Grids), Is.EqualTo(Features.Sum(values => values.Length)));
            Assert.That(() => resampler.TokenLength(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => resampler.TokenLength(int.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains($"found {(long)int.MaxValue * TokenCount} ({int.MaxValue} x 9 tokens x 10)"));
            Assert.That(() => resampler.FeatureLength(new PatchGrid(0, 3)),
                Throws.ArgumentException.With.Message.Contains("at least 1x1"));
            Assert.That(() => resampler.FeatureLength(new PatchGrid(int.MaxValue, int.MaxValue)),
                Throws.ArgumentException.With.Message.Contains($"at most {Array.MaxLength} values of features"));
        }
    }

    [Test]
    public void A_call_allocates_its_result()
    {
        using Resampler resampler = Load();
        float[] grouped = new float[TokenCount];
        FrameGroups group = new([Grids[0], Grids[2]], [0, 1], [2]);
        float[] frames = [.. Features[0], .. Features[2]];
        resampler.Resample(frames, group, grouped);

        AssertBits(resampler.Resample(Features[2], Grids[2]), 2);
        AssertBits(resampler.Resample([.. Features[0], .. Features[2]], [Grids[0], Grids[2]]), 0, 2);
        Assert.That(Bits(resampler.Resample(frames, group)), Is.EqualTo(Bits(grouped)));
        Assert.That(resampler.Resample([], []), Is.Empty);
        Assert.That(() => resampler.Resample(Features[2], Grids[1]),
            Throws.ArgumentException.With.Message.Contains("expected 12 (1 patches x 12 channels) values"));
        Assert.That(() => resampler.Resample(Features[0], Grids[0], new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void The_shape_of_a_tensor_gives_the_patch_grid()
    {
        using Resampler resampler = Load();
        float[] tokens = new float[TokenCount];
        float[] batch = new float[s_images.Length * TokenCount];

        resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], BatchShape.AsSpan(1)),
            new TensorSpan<float>(tokens, TokenShape.AsSpan(1)));
        resampler.Resample(new ReadOnlyTensorSpan<float>(BatchFeatures, BatchShape),
            new TensorSpan<float>(batch, TokenShape));
        Tensor<float> image = resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], BatchShape.AsSpan(1)));
        Tensor<float> images = resampler.Resample(new ReadOnlyTensorSpan<float>(BatchFeatures, BatchShape));

        AssertBits(tokens, 0);
        AssertBits(batch, s_images);
        Assert.That(image.Lengths.ToArray(), Is.EqualTo(TokenShape[1..]));
        Assert.That(images.Lengths.ToArray(), Is.EqualTo(TokenShape));
        AssertBits([.. image], 0);
        AssertBits([.. images], s_images);
    }

    /// <summary>More images than grids fit on the stack.</summary>
    [Test]
    public void A_batch_of_tensors_may_be_large()
    {
        using Resampler resampler = Load();
        const int Count = 130;
        float[] features = [.. Enumerable.Repeat(Features[1], Count).SelectMany(values => values)];

        Tensor<float> tokens = resampler.Resample(
            new ReadOnlyTensorSpan<float>(features, [Count, 1, 1, Config.VisionHiddenSize]));

        AssertBits([.. tokens], [.. Enumerable.Repeat(1, Count)]);
    }

    [Test]
    public void A_batch_of_tensors_may_be_empty()
    {
        using Resampler resampler = Load();

        Tensor<float> tokens = resampler.Resample(new ReadOnlyTensorSpan<float>(Array.Empty<float>(), [0, 4, 5, 12]));

        nint[] expected = [0, 9, 10];
        Assert.That(tokens.Lengths.ToArray(), Is.EqualTo(expected));
    }

    [Test]
    public void Features_with_other_strides_are_copied()
    {
        using Resampler resampler = Load();
        Tensor<float> rows = Tensor.Create(BatchFeatures, BatchShape);
        // The features of a larger grid, of which the images are a part.
        Tensor<float> larger = Tensor.Create(new float[3 * 6 * 7 * 12], [3, 6, 7, 12]);
        larger.AsTensorSpan().Fill(float.NaN);
        TensorSpan<float> part = larger.AsTensorSpan().Slice(NRange.All, 1..5, 2.., NRange.All);
        rows.CopyTo(part);
        // Channels first in memory, seen with channels last.
        Tensor<float> channelsFirst = Tensor.PermuteDimensions(rows, [0, 3, 1, 2]).ToDenseTensor();
        Tensor<float> permuted = Tensor.PermuteDimensions(channelsFirst, [0, 2, 3, 1]);

        AssertBits([.. resampler.Resample(part)], s_images);
        AssertBits([.. resampler.Resample(permuted)], s_images);
    }

    [Test]
    public void Permuted_features_in_dense_memory_are_not_read_in_place()
    {
        using Resampler resampler = Load();
        float[] channelsFirst = new float[Features[0].Length];
        for (int patch = 0; patch < Grid.PatchCount; patch++)
        {
            for (int channel = 0; channel < 12; channel++)
                channelsFirst[(channel * (int)Grid.PatchCount) + patch] = Features[0][(patch * 12) + channel];
        }

        ReadOnlyTensorSpan<float> features = new(channelsFirst, [Grid.Rows, Grid.Columns, 12],
            [Grid.Columns, 1, (nint)Grid.PatchCount]);

        AssertBits([.. resampler.Resample(features)], 0);
    }

    [Test]
    public void Tokens_are_written_into_a_sequence_of_embeddings()
    {
        using Resampler resampler = Load();
        Tensor<float> sequence = Tensor.Create(new float[3 * 20 * 10], [3, 20, 10]);
        sequence.AsTensorSpan().Fill(Untouched);

        resampler.Resample(new ReadOnlyTensorSpan<float>(BatchFeatures, BatchShape),
            sequence.AsTensorSpan().Slice(NRange.All, 4..13, NRange.All));

        float[] found = [.. sequence];
        AssertBits([.. Enumerable.Range(0, 3).SelectMany(image => found.Skip((image * 200) + 40).Take(90))], s_images);
        Assert.That(found.Where((_, index) => index % 200 is < 40 or >= 130), Is.All.EqualTo(Untouched));
    }

    [Test]
    public void Frames_of_tensors_are_grouped()
    {
        using Resampler resampler = Load();
        float[] expected = new float[2 * TokenCount];
        resampler.Resample(BatchFeatures, new FrameGroups([Grid, Grid, Grid], [0, 3, -1], [2, 1]), expected);
        float[] tokens = new float[2 * TokenCount];

        resampler.Resample(new ReadOnlyTensorSpan<float>(BatchFeatures, BatchShape), [0, 3, -1], [2, 1],
            new TensorSpan<float>(tokens, [2, 9, 10]));

        Assert.That(Bits(tokens), Is.EqualTo(Bits(expected)));
        Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(BatchFeatures, BatchShape), [0, 3, -1],
                [2, 2], new TensorSpan<float>(tokens, [2, 9, 10])),
            Throws.ArgumentException.With.Message.Contains("add up to 3"));
        Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], BatchShape.AsSpan(1)), [0],
                [1], new TensorSpan<float>(tokens.AsSpan(0, 90), [1, 9, 10])),
            Throws.ArgumentException.With.Message.Contains("shape [frames, H, W, 12], found [4, 5, 12]"));
    }

    [TestCase(new[] { 240 }, new[] { 9, 10 }, "features", "[H, W, 12] or [B, H, W, 12], found [240]")]
    [TestCase(new[] { 1, 1, 4, 5, 12 }, new[] { 9, 10 }, "features", "found [1, 1, 4, 5, 12]")]
    [TestCase(new[] { 12, 4, 5 }, new[] { 9, 10 }, "features", "found [12, 4, 5]")]
    [TestCase(new[] { 4, 5, 12 }, new[] { 10, 9 }, "tokens", "[9, 10], found [10, 9]")]
    [TestCase(new[] { 4, 5, 12 }, new[] { 1, 9, 10 }, "tokens", "[9, 10], found [1, 9, 10]")]
    [TestCase(new[] { 1, 4, 5, 12 }, new[] { 9, 10 }, "tokens", "[1, 9, 10], found [9, 10]")]
    [TestCase(new[] { 2, 2, 5, 12 }, new[] { 1, 9, 10 }, "tokens", "[2, 9, 10], found [1, 9, 10]")]
    [TestCase(new[] { 0, 5, 12 }, new[] { 9, 10 }, "grids", "at least 1x1, found 0x5")]
    public void Wrong_shapes_are_rejected(int[] features, int[] tokens, string name, string message)
    {
        using Resampler resampler = Load();
        float[] found = [.. Enumerable.Repeat(Untouched, 90)];

        Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], ShapeOf(features)),
                new TensorSpan<float>(found, ShapeOf(tokens))),
            Throws.ArgumentException.With.Message.Contains(message)
                .And.Property(nameof(ArgumentException.ParamName)).EqualTo(name));
        Assert.That(found, Is.All.EqualTo(Untouched));
    }

    [Test]
    public void Tokens_with_a_shared_place_or_in_the_features_are_rejected()
    {
        using Resampler resampler = Load();
        float[] memory = new float[240 + TokenCount];

        Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], [4, 5, 12]),
                new TensorSpan<float>(memory, [9, 10], [0, 1])),
            Throws.ArgumentException.With.Message.Contains("strides [0, 1]"));
        Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(memory.AsSpan(0, 240), [4, 5, 12]),
                new TensorSpan<float>(memory.AsSpan(239, 90), [9, 10])),
            Throws.ArgumentException.With.Message.Contains("overlap"));
    }

    [Test]
    public void A_cancelled_call_leaves_strided_tokens_unchanged()
    {
        using Resampler resampler = Load();
        float[] memory = [.. Enumerable.Repeat(Untouched, 9 * 20)];

        Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], [4, 5, 12]),
                new TensorSpan<float>(memory, [9, 10], [20, 1]), new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(memory, Is.All.EqualTo(Untouched));
    }

    [Test]
    public void A_disposed_model_rejects_tensors_and_allocating_calls()
    {
        Resampler resampler = Load();
        resampler.Dispose();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => resampler.Resample(Features[0], Grid), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => resampler.Resample(new ReadOnlyTensorSpan<float>(Features[0], [4, 5, 12])),
                Throws.TypeOf<ObjectDisposedException>());
        }
    }

    private static nint[] ShapeOf(int[] extents) => [.. extents.Select(extent => (nint)extent)];
}
