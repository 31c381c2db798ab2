using MsResampler.Cpu;

namespace MsResampler.Training.Tests;

/// <summary>A call stops within a pass, and within the tasks that may take long.</summary>
internal sealed class CancellationTests
{
    private static readonly PatchGrid[] s_grids = [new(5, 6), new(4, 4), new(5, 6)];

    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(2, 2), Configs.Gaussian(1, 2),
        Configs.None);

    private static int TokenCount => s_config.QueryGrid.QueryCount * s_config.OutputSize;

    /// <summary>The pool hides the token from its own checks, so that only the task of the phase can stop.</summary>
    [Test]
    public void A_long_task_stops_within_it([Values("KeysAndValues", "Attention", "Tokens", "TokensGradient",
        "AttentionGradient", "KeyGradient")] string phase)
    {
        CancellingPool pool = new(phase);
        using ResamplerTrainer trainer = Create(TrainableModel.Create(s_config, seed: 1), pool);
        Assert.That(() => Step(trainer, pool.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(pool.LastPhase, Is.EqualTo(phase));
        Assert.That(() => trainer.Backward(new float[3 * TokenCount]), Throws.InvalidOperationException);
    }

    [Test]
    public void A_pass_stops_between_tasks()
    {
        CancellingPool pool = new("Gelu") { IsHidden = false };
        using ResamplerTrainer trainer = Create(TrainableModel.Create(s_config, seed: 1), pool);
        Assert.That(() => Step(trainer, pool.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(pool.LastPhase, Is.EqualTo("Gelu"));
    }

    [Test]
    public void After_a_step_that_was_cancelled_a_run_continues_to_the_same_bits(
        [Values("Attention", "TokensGradient", "KeyGradient")] string phase)
    {
        TrainableModel whole = TrainableModel.Create(s_config, seed: 1);
        using ResamplerTrainer wholeTrainer = Create(whole, new CancellingPool(""));
        Loop(wholeTrainer).Run();

        TrainableModel stopped = TrainableModel.Create(s_config, seed: 1);
        CancellingPool pool = new(phase);
        using ResamplerTrainer trainer = Create(stopped, pool);
        TrainingLoop loop = Loop(trainer);
        float[][] last = [];
        pool.Phase = "";
        Assert.That(() => loop.Run(step =>
        {
            last = Weights(stopped);
            if (step.Step == 3)
                pool.Phase = phase;
        }, pool.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(loop.Step, Is.EqualTo(3));
        Assert.That(Weights(stopped), Is.EqualTo(last));
        pool.Phase = "";
        loop.Run();
        Assert.That(Weights(stopped), Is.EqualTo(Weights(whole)));
    }

    private static float[][] Weights(TrainableModel model)
        => [.. model.Tensors.Select(tensor => tensor.Values.ToArray())];

    private static ResamplerTrainer Create(TrainableModel model, WorkerPool pool)
        => new(model, new TrainerOptions { CreateWorkers = _ => pool, Absorbs = false });

    private static float[] Features()
    {
        Random random = new(3);
        return [.. Enumerable.Range(0, 76 * s_config.VisionHiddenSize).Select(_ => (float)random.NextDouble())];
    }

    private static void Step(ResamplerTrainer trainer, CancellationToken cancellationToken)
    {
        float[] tokens = trainer.Forward(Features(), s_grids, cancellationToken);
        trainer.Backward(tokens, default, cancellationToken);
    }

    private static TrainingLoop Loop(ResamplerTrainer trainer)
    {
        Random random = new(4);
        float[] tokens = [.. Enumerable.Range(0, 3 * TokenCount).Select(_ => (float)random.NextDouble())];
        return new TrainingLoop(trainer.Model.Tensors,
            new Distillation(trainer, new DistillationSet(Features(), s_grids, tokens)),
            new TrainingOptions { StepCount = 6, BatchSize = 2 });
    }

    /// <summary>Cancels when a phase starts.</summary>
    private sealed class CancellingPool(string phase) : WorkerPool(threadCount: 1)
    {
        private readonly CancellationTokenSource _source = new();

        public string Phase { get; set; } = phase;

        /// <summary>Whether the pool itself does not see the token.</summary>
        public bool IsHidden { get; init; } = true;

        public string LastPhase { get; private set; } = "";

        public CancellationToken Token => _source.Token;

        public override void Run(IPhasedWork work, CancellationToken cancellationToken)
            => base.Run(new Work(work, this), IsHidden ? CancellationToken.None : cancellationToken);

        private sealed class Work(IPhasedWork inner, CancellingPool pool) : IPhasedWork
        {
            public int PhaseCount => inner.PhaseCount;

            public int TaskCount(int phase) => inner.TaskCount(phase);

            public string NameOf(int phase) => inner.NameOf(phase);

            public void Execute(int phase, int task, int worker)
            {
                pool.LastPhase = inner.NameOf(phase);
                if (pool.LastPhase == pool.Phase)
                    pool._source.Cancel();
                inner.Execute(phase, task, worker);
            }
        }
    }
}
