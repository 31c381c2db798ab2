using MsResampler.Reference;

namespace MsResampler.Tests.Reference;

public class ReferenceResamplerTests
{
    private static TestModel CreateModel() => new(new ResamplerConfig
    {
        VisionHiddenSize = 3,
        HiddenSize = 8,
        AttentionHeadCount = 2,
        QueryGrid = new QueryGrid(1, 2),
        OutputSize = 5,
        Scopes = [new() { Name = "global", Prior = ScopePrior.None }],
        ShareQueries = true,
        ShareKeyValues = true,
        PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        Gate = null,
        LayerNormEpsilon = 1e-6,
        TorchDType = WeightType.Float32,
    });

    [Test]
    public void The_reference_outlives_its_model()
    {
        ReferenceResampler reference;
        using (TestModel model = CreateModel())
            reference = ReferenceResampler.Load(model.Model);

        Assert.That(reference.Resample(new float[12], new PatchGrid(2, 2)), Has.Length.EqualTo(10));
    }

    [Test]
    public void Explain_returns_the_explained_tokens()
    {
        using TestModel model = CreateModel();
        PatchGrid grid = new(2, 2);
        float[] features = model.RandomFeatures(grid, seed: 1);

        ReferenceExplanation explanation = model.Reference.Explain(features, grid);

        Assert.That(explanation.Tokens, Is.EqualTo(model.Reference.Resample(features, grid)));
        Assert.That(explanation.Gate, Is.EqualTo(new[] { 1.0, 1 }));
    }

    [Test]
    public void Wrong_lengths_and_empty_grids_are_rejected()
    {
        using TestModel model = CreateModel();

        Assert.That(() => model.Reference.Resample(new float[11], new PatchGrid(2, 2)),
            Throws.ArgumentException.With.Message.Contains("2x2 patches × 3 channels = 12 values, found 11"));
        Assert.That(() => model.Reference.Resample([], new PatchGrid(0, 2)),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
