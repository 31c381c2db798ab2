namespace MsResampler.Training.Tests.Gradients;

/// <summary>Learned sigmas move towards where the values are that lower the loss.</summary>
/// <remarks>One query in the middle of 7×7 patches sees them through a Gaussian alone, because queries and keys are
/// zero. All patches have the value b but one, which has b + v with v orthogonal to b. The loss is −⟨token, v⟩, so that
/// it falls with the weight of this patch.</remarks>
internal sealed class SigmaTests
{
    private const int Side = 7;
    private const int Middle = 3;

    private static ResamplerConfig Config => Configs.Of(Configs.Gaussian(1, 1)) with
    {
        VisionHiddenSize = 4,
        HiddenSize = 4,
        AttentionHeadCount = 1,
        QueryGrid = new QueryGrid(1, 1),
        OutputSize = 4,
        PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
    };

    /// <summary>A sigma grows along an axis where the patch is more than one sigma away, and shrinks where it is at the
    /// query.</summary>
    [TestCase(0, 0, 1, 1)]
    [TestCase(6, 0, 1, 1)]
    [TestCase(Middle, 6, -1, 1)]
    [TestCase(0, Middle, 1, -1)]
    [TestCase(Middle, Middle, -1, -1)]
    public void Sigma_moves_towards_the_patch_that_lowers_the_loss(int row, int column, int rowSign, int columnSign)
    {
        TrainableModel model = CreateModel();
        using ResamplerTrainer trainer = new(model);
        AdamW optimiser = new(model.Tensors);
        foreach (TrainableTensor tensor in model.Tensors)
            tensor.IsFrozen = tensor.Name != "scopes.0.log_sigma";
        float before = Loss(trainer, row, column);
        float[] gradient = [.. model["scopes.0.log_sigma"].Gradient];
        Assert.That(Array.ConvertAll(gradient, value => -Math.Sign(value)), Is.EqualTo(new[] { rowSign, columnSign }),
            $"gradient {string.Join(", ", gradient)}");
        for (int step = 0; step < 40; step++)
        {
            optimiser.Step(0.05);
            model.ClearGradients();
            Loss(trainer, row, column);
        }

        float[] sigma = [.. model["scopes.0.log_sigma"].Values];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Loss(trainer, row, column), Is.LessThan(before));
            Assert.That(sigma[0] * rowSign, Is.GreaterThan(0.5), "log sigma of rows");
            Assert.That(sigma[1] * columnSign, Is.GreaterThan(0.5), "log sigma of columns");
        }
    }

    /// <summary>Runs both passes for the loss.</summary>
    private static float Loss(ResamplerTrainer trainer, int row, int column)
    {
        float[] features = new float[Side * Side * 4];
        // ln_kv makes √2·(0, 0, 1, −1) of this and leaves the zeros of the other patches.
        features[(((row * Side) + column) * 4) + 2] = 1;
        features[(((row * Side) + column) * 4) + 3] = -1;
        float[] tokens = trainer.Forward(features, [new PatchGrid(Side, Side)]);
        trainer.Backward([0, 0, -1, 1]);
        return tokens[3] - tokens[2];
    }

    private static TrainableModel CreateModel()
    {
        TrainableModel model = TrainableModel.Create(Config, seed: 1, learnSigmas: true);
        foreach (TrainableTensor tensor in model.Tensors.Where(tensor => tensor.Name is "kv_proj.weight"
            or "proj.weight" or "scopes.0.attn.v_proj.weight" or "scopes.0.attn.out_proj.weight"))
        {
            tensor.Values.Clear();
            for (int channel = 0; channel < 4; channel++)
                tensor.Values[5 * channel] = 1;
        }

        model["scopes.0.attn.q_proj.weight"].Values.Clear();
        float[] bias = [1, -1, 0, 0];
        bias.CopyTo(model["ln_kv.bias"].Values);
        return model;
    }
}
