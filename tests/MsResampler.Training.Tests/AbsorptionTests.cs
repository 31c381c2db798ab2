namespace MsResampler.Training.Tests;

/// <summary>Scopes with narrow windows, whose keys and values are not projected.</summary>
internal sealed class AbsorptionTests
{
    private static readonly PatchGrid[] s_grids = [new(12, 11), new(9, 14)];

    /// <summary>Both ways have errors of a few 1e-6 of the largest gradient in a tensor; a wrong patch, head or scale
    /// has one of the size of the gradient.</summary>
    [Test]
    public void Absorbed_and_projected_scopes_have_the_same_tokens_and_gradients([Values] bool hasAnchors)
    {
        ResamplerConfig config = Configs.Mixed with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D,
                hasAnchors ? PositionEmbeddingType.SinCos2D : PositionEmbeddingType.None),
        };
        float[][] projected = Run(config, absorbs: false, threads: 1);
        float[][] absorbed = Run(config, absorbs: true, threads: 1);
        for (int tensor = 0; tensor < projected.Length; tensor++)
            Assert.That(absorbed[tensor], Is.EqualTo(projected[tensor])
                .Within(1e-5 * projected[tensor].Max(MathF.Abs)), $"tensor {tensor}");
        Assert.That(absorbed[0].SequenceEqual(projected[0]), Is.False, "the option has no effect");
    }

    [Test]
    public void Absorbed_scopes_have_the_same_bits_with_any_number_of_threads()
    {
        float[][] one = Run(Configs.Mixed, absorbs: true, threads: 1);
        Assert.That(Run(Configs.Mixed, absorbs: true, threads: 3), Is.EqualTo(one));
    }

    /// <summary>Tokens, gradients of the features, and gradients of all parameters.</summary>
    private static float[][] Run(ResamplerConfig config, bool absorbs, int threads)
    {
        TrainableModel model = TrainableModel.Create(config, seed: 5, learnSigmas: true);
        using ResamplerTrainer trainer = new(model, new TrainerOptions
        {
            ThreadCount = threads,
            ProcessorCount = threads,
            Absorbs = absorbs,
        });
        Random random = new(6);
        int patches = (int)s_grids.Sum(grid => grid.PatchCount);
        float[] features = Draw(patches * config.VisionHiddenSize);
        float[] tokens = trainer.Forward(features, s_grids);
        float[] featureGradients = new float[features.Length];
        trainer.Backward(Draw(tokens.Length), featureGradients);
        return [tokens, featureGradients, .. model.Tensors.Select(tensor => tensor.Gradient.ToArray())];

        float[] Draw(int count)
            => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }
}
