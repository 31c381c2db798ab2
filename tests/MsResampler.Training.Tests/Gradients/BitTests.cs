using System.Numerics.Tensors;
using MsResampler.Cpu;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>The same seed gives the same bits.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class BitTests
{
    private const int StepCount = 3;

    private static IEnumerable<object[]> Cases =>
    [
        .. ((int[])[.. Enumerable.Range(0, 10), 31, 63, .. Enumerable.Range(1_000, 6), 1_023])
            .Select(index => new object[] { index, false }),
        .. TrainingCase.Absorbing.Take(10).Select(index => new object[] { index, true }),
    ];

    private static IEnumerable<object[]> FewCases =>
    [
        .. ((int[])[0, 1, 2, 31, 1_000]).Select(index => new object[] { index, false }),
        .. TrainingCase.Absorbing.Take(5).Select(index => new object[] { index, true }),
    ];

    [TestCaseSource(nameof(Cases))]
    public void Tokens_gradients_and_weights_do_not_depend_on_threads(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        Outcome expected = Train(drawn, threadCount: 1);
        foreach (int threadCount in (int[])[1, 2, 3, 7])
            AssertSame(Train(drawn, threadCount), expected, $"{threadCount} threads, {drawn}");
    }

    /// <summary>The workspace holds old values after a call, and is larger than needed.</summary>
    [TestCaseSource(nameof(FewCases))]
    public void A_batch_does_not_depend_on_the_batch_before(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel first = drawn.CreateModel();
        TrainableModel second = drawn.CreateModel();
        using ResamplerTrainer fresh = drawn.CreateTrainer(first);
        using ResamplerTrainer used = drawn.CreateTrainer(second);
        PatchGrid[] grids = [new PatchGrid(13, 11), new PatchGrid(3, 25), new PatchGrid(9, 9)];
        float[] features = new float[grids.Sum(grid => grid.PatchCount) * drawn.Config.VisionHiddenSize];
        for (int value = 0; value < features.Length; value++)
            features[value] = value % 7;
        float[] tokens = used.Forward(features, grids);
        used.Backward(tokens);
        second.ClearGradients();

        (float[] expectedTokens, float[] expectedGradient) = drawn.Run(fresh);
        (float[] actualTokens, float[] actualGradient) = drawn.Run(used);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TrainingCase.HaveSameBits(actualTokens, expectedTokens), $"tokens of {drawn}");
            Assert.That(TrainingCase.HaveSameBits(actualGradient, expectedGradient), $"features of {drawn}");
            Assert.That(TrainingCase.DifferenceOf(first, second), Is.Null, $"{drawn}");
        }
    }

    /// <summary>Instruction sets have tiles of different sizes, and so other orders of sums.</summary>
    [TestCaseSource(nameof(Cases))]
    public void Instruction_sets_agree_up_to_rounding(int index, bool absorbs)
    {
        using TrainingCase drawn = new(index, absorbs);
        TrainableModel? expected = null;
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            TrainableModel model = drawn.CreateModel();
            using ResamplerTrainer trainer = drawn.CreateTrainer(model, variant: variant);
            drawn.Run(trainer);
            expected ??= model;
            double largest = expected.Tensors.Max(tensor => (double)TensorPrimitives.Norm(tensor.Gradient));
            foreach ((TrainableTensor left, TrainableTensor right) in model.Tensors.Zip(expected.Tensors))
            {
                // Twice the tolerances of GradientTests, because both have errors.
                double norm = TensorPrimitives.Norm(right.Gradient);
                Assert.That(TensorPrimitives.Distance(left.Gradient, right.Gradient),
                    Is.LessThanOrEqualTo((1e-4 * norm) + (1e-6 * largest)), $"{left.Name}, {variant}, {drawn}");
            }
        }
    }

    private static Outcome Train(TrainingCase drawn, int threadCount)
    {
        TrainableModel model = drawn.CreateModel();
        using ResamplerTrainer trainer = drawn.CreateTrainer(model, threadCount);
        Assert.That(trainer.ThreadCount, Is.EqualTo(threadCount));
        AdamW optimiser = new(model.Tensors);
        float[] tokens = [];
        float[] featureGradient = [];
        for (int step = 0; step < StepCount; step++)
        {
            model.ClearGradients();
            (tokens, featureGradient) = drawn.Run(trainer);
            optimiser.Step(1e-2);
        }

        return new Outcome(tokens, featureGradient, model);
    }

    private static void AssertSame(Outcome actual, Outcome expected, string where)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TrainingCase.HaveSameBits(actual.Tokens, expected.Tokens), $"tokens, {where}");
            Assert.That(TrainingCase.HaveSameBits(actual.FeatureGradient, expected.FeatureGradient),
                $"features, {where}");
            Assert.That(TrainingCase.DifferenceOf(actual.Model, expected.Model), Is.Null, where);
        }
    }

    /// <summary>What the last step left.</summary>
    private sealed record Outcome(float[] Tokens, float[] FeatureGradient, TrainableModel Model);
}
