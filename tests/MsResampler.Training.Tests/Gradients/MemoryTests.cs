namespace MsResampler.Training.Tests.Gradients;

/// <summary>The memory of a training step.</summary>
internal sealed class MemoryTests
{
    /// <summary>Scratch memory of attention, which grows with H + W, relative to the whole.</summary>
    private const double Slack = 0.05;

    // Narrow, so that one array with an element for each query and patch would show: 4 MB of 5 MB for the first size,
    // and 64 MB of 19 MB for four times the patches and queries.
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(5, 5), Configs.Gaussian(9, 9),
        Configs.None) with
    {
        VisionHiddenSize = 8,
        HiddenSize = 8,
        AttentionHeadCount = 2,
        OutputSize = 8,
    };

    [Test]
    public void Memory_grows_with_the_sum_of_patches_and_queries_and_not_with_their_product()
    {
        double few = Bytes(patchSide: 32, querySide: 32);
        double morePatches = Bytes(patchSide: 64, querySide: 32);
        double moreQueries = Bytes(patchSide: 32, querySide: 64);
        double moreOfBoth = Bytes(patchSide: 64, querySide: 64);
        TestContext.Out.WriteLine($"{few} {morePatches} {moreQueries} {moreOfBoth} bytes");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(moreOfBoth, Is.LessThan(4 * (1 + Slack) * few), "four times patches and queries");
            // bytes = a + b·N + c·M has no part that grows with both.
            Assert.That(moreOfBoth - moreQueries, Is.EqualTo(morePatches - few).Within(Slack * few), "patches");
            Assert.That(morePatches, Is.GreaterThan(few), "patches");
            Assert.That(moreQueries, Is.GreaterThan(few), "queries");
        }
    }

    [Test]
    public void Memory_grows_with_the_batch_and_does_not_grow_again_for_the_same_batch()
    {
        TrainableModel model = TrainableModel.Create(s_config, seed: 1, learnSigmas: true);
        using ResamplerTrainer trainer = new(model, new TrainerOptions { ThreadCount = 1 });
        Run(trainer, new PatchGrid(24, 24), batch: 1);
        double one = trainer.WorkspaceBytes;
        Run(trainer, new PatchGrid(24, 24), batch: 8);
        double eight = trainer.WorkspaceBytes;
        Run(trainer, new PatchGrid(24, 24), batch: 8);
        Run(trainer, new PatchGrid(7, 9), batch: 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(eight, Is.LessThan(8 * one));
            Assert.That(trainer.WorkspaceBytes, Is.EqualTo(eight));
        }
    }

    /// <summary>What is said before a batch is what it takes.</summary>
    [Test]
    public void A_batch_takes_the_memory_that_was_measured([Values(1, 2)] int threadCount, [Values] bool absorbs)
    {
        TrainableModel model = TrainableModel.Create(s_config, seed: 1, learnSigmas: true);
        using ResamplerTrainer trainer = new(model, new TrainerOptions
        {
            ThreadCount = threadCount,
            Absorbs = absorbs,
        });
        PatchGrid[] grids = [new(24, 24), new(7, 9), new(24, 24)];
        (long activations, long gradients) = trainer.Measure(new FrameGroups(grids));
        Assert.That(trainer.WorkspaceBytes, Is.Zero);
        Assert.That(() => trainer.Backward(new float[3 * s_config.QueryGrid.QueryCount * 8]),
            Throws.InvalidOperationException);
        float[] tokens = trainer.Forward(new float[1215 * s_config.VisionHiddenSize], grids);
        trainer.Backward(tokens);
        Assert.That(sizeof(float) * (activations + gradients), Is.EqualTo(trainer.WorkspaceBytes));
    }

    private static double Bytes(int patchSide, int querySide)
    {
        TrainableModel model = TrainableModel.Create(
            s_config with { QueryGrid = new QueryGrid(querySide, querySide) }, seed: 1, learnSigmas: true);
        using ResamplerTrainer trainer = new(model, new TrainerOptions { ThreadCount = 1 });
        Run(trainer, new PatchGrid(patchSide, patchSide), batch: 1);
        return trainer.WorkspaceBytes;
    }

    private static void Run(ResamplerTrainer trainer, PatchGrid grid, int batch)
    {
        float[] features = new float[batch * (int)grid.PatchCount * s_config.VisionHiddenSize];
        for (int index = 0; index < features.Length; index++)
            features[index] = index % 11;
        float[] tokens = trainer.Forward(features, [.. Enumerable.Repeat(grid, batch)]);
        trainer.Backward(tokens, features);
    }
}
