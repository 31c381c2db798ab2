namespace MsResampler.Training.Tests.Gradients;

/// <summary>Weights and features far from usual values have finite gradients.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class ExtremeValueTests
{
    /// <summary>A sigma of exp(±60) patches is 0 or infinite next to the distances, and its square leaves the range of
    /// single precision.</summary>
    [Test]
    public void Sigmas_far_out_of_range([Range(0, 235, 5)] int index, [Values(-60f, -10f, 10f, 60f)] float logSigma)
        => AssertFinite(index, (model, _) =>
        {
            foreach (TrainableTensor tensor in model.Tensors)
                if (tensor.Name.EndsWith("log_sigma", StringComparison.Ordinal))
                    tensor.Values.Fill(logSigma);
        });

    /// <summary>Each query then sees one patch, and the exponentials of all others are 0.</summary>
    [Test]
    public void Logits_of_a_million([Range(0, 235, 5)] int index)
        => AssertFinite(index, (model, _) =>
        {
            foreach (TrainableTensor tensor in model.Tensors)
                if (tensor.Name.EndsWith("q_proj.weight", StringComparison.Ordinal))
                    System.Numerics.Tensors.TensorPrimitives.Multiply(tensor.Values, 1e6f, tensor.Values);
        });

    /// <summary>Layer norms divide by √ε.</summary>
    [Test]
    public void Features_that_are_equal_or_huge([Range(0, 235, 5)] int index, [Values(0f, 1f, 1e15f)] float value)
        => AssertFinite(index, (_, features) => features.AsSpan().Fill(value));

    private static void AssertFinite(int index, Action<TrainableModel, float[]> edit)
    {
        TinyCase drawn = new(index);
        TrainableModel model = drawn.CreateModel().ToTrainable().WithLearnedSigmas();
        float[] features = Array.ConvertAll(drawn.CreateFeatures(), value => (float)value);
        edit(model, features);
        RandomLoss loss = drawn.CreateLoss();
        float[] tokens = new float[loss.Count];
        float[] featureGradient = new float[features.Length];
        using ResamplerTrainer trainer = new(model, new TrainerOptions
        {
            ThreadCount = 1,
            Absorbs = index % 2 == 0,
        });
        trainer.Forward(features, drawn.Groups, tokens);
        trainer.Backward(loss.GradientOf(tokens), featureGradient);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens, Is.All.Matches<float>(float.IsFinite), $"tokens of {drawn}");
            Assert.That(featureGradient, Is.All.Matches<float>(float.IsFinite), $"features of {drawn}");
            foreach (TrainableTensor tensor in model.Tensors)
                Assert.That(tensor.Gradient.ToArray(), Is.All.Matches<float>(float.IsFinite),
                    $"{tensor.Name} of {drawn}");
        }
    }
}
