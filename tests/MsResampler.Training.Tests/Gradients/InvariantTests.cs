using System.Numerics.Tensors;
using MsResampler.Cpu;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>What holds for the gradients of every model.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class InvariantTests
{
    /// <summary>The relative L2 difference of two sums of the same terms in different orders: a few units of rounding,
    /// 6e-8, times the cancellation among the images of a batch.</summary>
    private const double SumTolerance = 5e-6;

    private static IEnumerable<object[]> Cases =>
    [
        .. Enumerable.Range(0, 12).Append(31).Select(index => new object[] { index, false }),
        .. TrainingCase.Absorbing.Take(12).Select(index => new object[] { index, true }),
    ];

    private static IEnumerable<object[]> GroupCases
        => Enumerable.Range(1_000, 6).Select(index => new object[] { index, false });

    private static IEnumerable<object[]> FreezingCases =>
    [
        .. ((int[])[0, 1, 4, 7, 1_001]).Select(index => new object[] { index, false }),
        .. TrainingCase.Absorbing.Take(4).Select(index => new object[] { index, true }),
    ];

    [TestCaseSource(nameof(Cases))]
    public void The_gradient_of_a_batch_is_the_sum_over_its_images(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel whole = drawn.CreateModel();
        TrainableModel parts = drawn.CreateModel();
        using ResamplerTrainer wholeTrainer = drawn.CreateTrainer(whole);
        using ResamplerTrainer partTrainer = drawn.CreateTrainer(parts);
        (float[] tokens, _) = drawn.Run(wholeTrainer);
        float[] tokenGradient = drawn.Loss.GradientOf(tokens);
        int firstFeature = 0;
        for (int image = 0; image < drawn.Grids.Length; image++)
        {
            int count = (int)drawn.Grids[image].PatchCount * drawn.Config.VisionHiddenSize;
            float[] part = partTrainer.Forward(drawn.Features.AsSpan(firstFeature, count), [drawn.Grids[image]]);
            int firstToken = image * drawn.TokenLength;
            Assert.That(TrainingCase.HaveSameBits(part, tokens.AsSpan(firstToken, drawn.TokenLength)),
                $"tokens of image {image}, {drawn}");
            partTrainer.Backward(tokenGradient.AsSpan(firstToken, drawn.TokenLength));
            firstFeature += count;
        }

        AssertClose(whole, parts, 1, drawn.ToString());
    }

    [TestCaseSource(nameof(Cases))]
    [TestCaseSource(nameof(GroupCases))]
    public void Gradients_add_up_over_calls(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel once = drawn.CreateModel();
        TrainableModel twice = drawn.CreateModel();
        using ResamplerTrainer onceTrainer = drawn.CreateTrainer(once);
        using ResamplerTrainer twiceTrainer = drawn.CreateTrainer(twice);
        drawn.Run(onceTrainer);
        drawn.Run(twiceTrainer);
        (_, float[] first) = drawn.Run(onceTrainer);
        once.ClearGradients();
        (_, float[] second) = drawn.Run(onceTrainer);
        drawn.Run(twiceTrainer);
        Assert.That(TrainingCase.HaveSameBits(second, first), "the gradient of the features is written, not added");
        AssertClose(twice, once, 2, drawn.ToString());
    }

    /// <summary>Each tensor is frozen once, alone, and once with all the others free.</summary>
    [TestCaseSource(nameof(FreezingCases))]
    public void Freezing_changes_no_bit_of_the_other_gradients(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel expected = drawn.CreateModel();
        TrainableModel actual = drawn.CreateModel();
        using ResamplerTrainer expectedTrainer = drawn.CreateTrainer(expected);
        using ResamplerTrainer actualTrainer = drawn.CreateTrainer(actual);
        (float[] tokens, float[] featureGradient) = drawn.Run(expectedTrainer);
        foreach (TrainableTensor chosen in actual.Tensors)
        {
            foreach (bool isOnlyFrozen in (bool[])[true, false])
            {
                string where = $"{(isOnlyFrozen ? "only" : "all but")} {chosen.Name} frozen, {drawn}";
                foreach (TrainableTensor tensor in actual.Tensors)
                    tensor.IsFrozen = tensor == chosen == isOnlyFrozen;
                actual.ClearGradients();
                (float[] actualTokens, float[] actualFeatures) = drawn.Run(actualTrainer);
                Assert.That(TrainingCase.HaveSameBits(actualTokens, tokens), $"tokens, {where}");
                Assert.That(TrainingCase.HaveSameBits(actualFeatures, featureGradient), $"features, {where}");
                foreach (TrainableTensor tensor in actual.Tensors.Where(tensor => !tensor.IsFrozen))
                    Assert.That(TrainingCase.HaveSameBits(tensor.Gradient, expected[tensor.Name].Gradient),
                        $"{tensor.Name}, {where}");

                // Whole branches may be skipped if nobody asks for the features.
                actual.ClearGradients();
                actualTrainer.Forward(drawn.Features, drawn.Groups, actualTokens);
                actualTrainer.Backward(drawn.Loss.GradientOf(actualTokens));
                foreach (TrainableTensor tensor in actual.Tensors.Where(tensor => !tensor.IsFrozen))
                    Assert.That(TrainingCase.HaveSameBits(tensor.Gradient, expected[tensor.Name].Gradient),
                        $"{tensor.Name} without the gradient of the features, {where}");
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Permuted_images_have_permuted_feature_gradients(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        using ResamplerTrainer trainer = drawn.CreateTrainer(drawn.CreateModel());
        (float[] tokens, float[] expected) = drawn.Run(trainer);
        float[] tokenGradient = drawn.Loss.GradientOf(tokens);
        Range[] features = new Range[drawn.Grids.Length];
        for (int image = 0, first = 0; image < features.Length; image++)
        {
            int end = first + ((int)drawn.Grids[image].PatchCount * drawn.Config.VisionHiddenSize);
            features[image] = first..end;
            first = end;
        }

        int[] order = [.. Enumerable.Range(0, features.Length).Reverse()];
        float[] permuted = trainer.Forward([.. order.SelectMany(image => drawn.Features[features[image]])],
            [.. order.Select(image => drawn.Grids[image])]);
        int length = drawn.TokenLength;
        float[] actual = new float[expected.Length];
        trainer.Backward([.. order.SelectMany(image => tokenGradient[(image * length)..((image + 1) * length)])],
            actual);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TrainingCase.HaveSameBits(permuted,
                [.. order.SelectMany(image => tokens[(image * length)..((image + 1) * length)])]), $"tokens, {drawn}");
            Assert.That(TrainingCase.HaveSameBits(actual, [.. order.SelectMany(image => expected[features[image]])]),
                $"features, {drawn}");
        }
    }

    /// <summary>A bias of the keys adds the same to all logits of a query, which a softmax removes. Adam would turn
    /// rounding errors of its gradient into steps of full length. Only in groups whose frames have different queries,
    /// those of anchors on different grids, does the bias have an effect.</summary>
    [TestCaseSource(nameof(Cases))]
    [TestCaseSource(nameof(GroupCases))]
    public void The_bias_of_the_keys_has_no_gradient_if_a_group_has_the_same_queries(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel model = drawn.CreateModel();
        using ResamplerTrainer trainer = drawn.CreateTrainer(model);
        drawn.Run(trainer);
        bool hasEffect = drawn.Config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D
            && Enumerable.Range(0, drawn.Groups.GroupCount).Any(group
                => drawn.Groups.GridsOf(group).ContainsAnyExcept(drawn.Groups.GridsOf(group)[0]));
        foreach (TrainableTensor tensor in model.Tensors.Where(tensor => tensor.Name.EndsWith("k_proj.bias",
            StringComparison.Ordinal)))
            Assert.That(tensor.Gradient.ContainsAnyExcept(0), Is.EqualTo(hasEffect), $"{tensor.Name}, {drawn}");
    }

    [TestCaseSource(nameof(Cases))]
    [TestCaseSource(nameof(GroupCases))]
    public void Inference_computes_the_same_tokens(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel model = drawn.CreateModel();
        using ResamplerTrainer trainer = drawn.CreateTrainer(model);
        AdamW optimiser = new(model.Tensors);
        drawn.Run(trainer);
        optimiser.Step(1e-2);
        (float[] tokens, _) = drawn.Run(trainer);
        double[] expected = Array.ConvertAll(tokens, value => (double)value);
        using ResamplerModel view = model.ToModel();
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            using ModelEngine engine = variant.Create(view, new ResamplerOptions());
            float[] actual = new float[tokens.Length];
            engine.Resample(drawn.Features, drawn.Groups, actual, CancellationToken.None);
            for (int image = 0; image < drawn.Groups.GroupCount; image++)
            {
                int first = image * drawn.TokenLength;
                Assert.That(Tolerances.RelativeError(actual.AsSpan(first, drawn.TokenLength),
                    expected.AsSpan(first, drawn.TokenLength)), Is.LessThan(Tolerances.TwoSinglePrecisions),
                    $"image {image}, {variant}, {drawn}");
            }
        }
    }

    private static void AssertClose(TrainableModel actual, TrainableModel expected, float scale, string where)
    {
        double largest = expected.Tensors.Max(tensor => (double)TensorPrimitives.Norm(tensor.Gradient));
        foreach ((TrainableTensor left, TrainableTensor right) in actual.Tensors.Zip(expected.Tensors))
        {
            float[] scaled = new float[right.Count];
            TensorPrimitives.Multiply(right.Gradient, scale, scaled);
            double norm = TensorPrimitives.Norm<float>(scaled);
            Assert.That(TensorPrimitives.Distance(left.Gradient, scaled),
                Is.LessThanOrEqualTo((SumTolerance * norm) + (1e-7 * largest)), $"{left.Name}, {where}");
        }
    }
}
