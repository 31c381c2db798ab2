using MsResampler.Cpu;

namespace MsResampler.Training.Tests;

/// <summary>Errors of <see cref="ResamplerTrainer"/>: each names the argument, what was expected and what was
/// found.</summary>
internal sealed class TrainerErrorTests
{
    private static readonly PatchGrid[] s_grids = [new PatchGrid(2, 3), new PatchGrid(1, 4)];
    private static readonly ResamplerConfig s_config = Configs.Mixed;

    private static int FeatureCount => 10 * s_config.VisionHiddenSize;

    private static int TokenCount => 2 * s_config.QueryGrid.QueryCount * s_config.OutputSize;

    [Test]
    public void A_backward_pass_needs_a_forward_pass_of_its_own()
    {
        using ResamplerTrainer trainer = Create();
        Assert.That(() => trainer.Backward(new float[TokenCount]), Throws.InvalidOperationException
            .With.Message.Contains("Forward"));
        trainer.Forward(new float[FeatureCount], s_grids);
        trainer.Backward(new float[TokenCount]);
        Assert.That(() => trainer.Backward(new float[TokenCount]), Throws.InvalidOperationException);
    }

    [Test]
    public void A_forward_pass_that_failed_counts_for_none()
    {
        using ResamplerTrainer trainer = Create();
        trainer.Forward(new float[FeatureCount], s_grids);
        Assert.That(() => trainer.Forward(new float[FeatureCount - 1], s_grids), Throws.ArgumentException);
        Assert.That(() => trainer.Backward(new float[TokenCount]), Throws.InvalidOperationException);
    }

    [Test]
    public void Lengths_must_match()
    {
        using ResamplerTrainer trainer = Create();
        Assert.That(() => trainer.Forward(new float[FeatureCount + 1], s_grids), Throws.ArgumentException
            .With.Message.Contains($"{FeatureCount}").And.Message.Contains($"found {FeatureCount + 1}"));
        Assert.That(() => trainer.Forward(new float[FeatureCount], new FrameGroups(s_grids), new float[TokenCount - 1]),
            Throws.ArgumentException.With.Message.Contains($"{TokenCount}")
                .And.Message.Contains($"found {TokenCount - 1}"));
        trainer.Forward(new float[FeatureCount], s_grids);
        Assert.That(() => trainer.Backward(new float[TokenCount + 1]),
            Throws.ArgumentException.With.Message.Contains($"found {TokenCount + 1}"));
        Assert.That(() => trainer.Backward(new float[TokenCount], new float[FeatureCount - 1]),
            Throws.ArgumentException.With.Message.Contains($"found {FeatureCount - 1}"));
        // A call with a wrong length does not use up the forward pass.
        Assert.That(() => trainer.Backward(new float[TokenCount], new float[FeatureCount]), Throws.Nothing);
    }

    [Test]
    public void A_feature_that_is_not_finite_is_named([Values(float.NaN, float.PositiveInfinity)] float value)
    {
        using ResamplerTrainer trainer = Create();
        float[] features = new float[FeatureCount];
        features[(7 * s_config.VisionHiddenSize) + 5] = value;
        Assert.That(() => trainer.Forward(features, s_grids), Throws.TypeOf<InvalidFeaturesException>()
            .With.Message.Contains("image 1"));
    }

    [Test]
    public void Batches_and_grids_must_not_be_empty()
    {
        using ResamplerTrainer trainer = Create();
        Assert.That(() => trainer.Forward([], []), Throws.ArgumentException);
        Assert.That(() => trainer.Forward([], [new PatchGrid(0, 3)]), Throws.ArgumentException
            .With.Message.Contains("0x3"));
    }

    [Test]
    public void Nothing_works_after_disposal_and_disposal_works_twice()
    {
        ResamplerTrainer trainer = Create();
        trainer.Dispose();
        trainer.Dispose();
        Assert.That(() => trainer.Forward(new float[FeatureCount], s_grids), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => trainer.Backward(new float[TokenCount]), Throws.TypeOf<ObjectDisposedException>());
    }

    /// <summary>Another thread calls while a phase of a pass runs.</summary>
    [Test]
    public void A_call_during_another_one_is_refused()
    {
        InterruptingPool pool = new();
        using ResamplerTrainer trainer = new(TrainableModel.Create(s_config, seed: 1), new TrainerOptions
        {
            CreateWorkers = _ => pool,
        });
        float[] features = new float[FeatureCount];
        Action[] calls =
        [
            () => trainer.Forward(features, s_grids), () => trainer.Backward(new float[TokenCount]), trainer.Dispose,
        ];
        List<Exception?> found = [];
        pool.OnRun = () =>
        {
            foreach (Action call in calls)
                found.Add(Task.Run(call).ContinueWith(task => task.Exception?.InnerException,
                    TaskScheduler.Default).Result);
        };
        trainer.Forward(features, s_grids);
        int forwardCount = found.Count;
        trainer.Backward(new float[TokenCount]);
        Assert.That(forwardCount, Is.GreaterThan(0).And.LessThan(found.Count));
        Assert.That(found.Select(exception => exception is InvalidOperationException
            && exception.Message.Contains("expected one call at a time", StringComparison.Ordinal)), Is.All.True);
        pool.OnRun = null;
        Assert.That(() => trainer.Forward(features, s_grids), Throws.Nothing);
    }

    [Test]
    public void The_number_of_threads_must_not_be_negative()
        => Assert.That(() => new ResamplerTrainer(TrainableModel.Create(s_config, 1),
            new TrainerOptions { ThreadCount = -1 }), Throws.TypeOf<ArgumentOutOfRangeException>());

    private sealed class InterruptingPool() : WorkerPool(threadCount: 1)
    {
        public Action? OnRun { get; set; }

        public override void Run(IPhasedWork work, CancellationToken cancellationToken)
        {
            OnRun?.Invoke();
            base.Run(work, cancellationToken);
        }
    }

    private static ResamplerTrainer Create()
        => new(TrainableModel.Create(s_config, seed: 1), new TrainerOptions { ThreadCount = 1 });
}
