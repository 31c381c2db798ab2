namespace MsResampler.Training.Tests.Runs;

/// <summary>The loop, with an objective whose minimum is known.</summary>
internal sealed class TrainingLoopTests : TemporaryFolderFixture
{
    private static readonly TrainingOptions s_options = new()
    {
        StepCount = 400,
        BatchSize = 5,
        Seed = 2,
        LearningRate = 0.05,
        WarmupSteps = 10,
        AverageDecay = 0.98,
        Optimiser = new AdamWOptions { WeightDecay = 0 },
    };

    /// <summary>With all items in every batch there is no noise, and a weight moves by at most about the rate in a
    /// step. The rates of the last 20 steps are below 0.05·sin²(20/390·π/2) = 3.3e-4: oscillations end within
    /// that.</summary>
    [Test]
    public void Weights_reach_the_minimum()
    {
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options with { BatchSize = objective.ItemCount });
        List<TrainingStep> steps = [];
        loop.Run(steps.Add);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(objective.DistanceFromMinimum(), Is.LessThan(3.3e-4));
            Assert.That(steps.Select(step => step.Step), Is.EqualTo(Enumerable.Range(1, 400)));
            Assert.That(steps.Select(step => step.Rate), Is.EqualTo(Enumerable.Range(1, 400)
                .Select(step => new CosineSchedule(0.05, 10, 400).RateAt(step))));
            Assert.That(steps[^1].TimeLeft, Is.EqualTo(TimeSpan.Zero));
            Assert.That(steps.Select(step => step.ItemsPerSecond), Is.All.GreaterThan(0));
            Assert.That(steps.Take(5).Average(step => step.Loss),
                Is.GreaterThan(2 * steps.TakeLast(5).Average(step => step.Loss)));
            Assert.That(loop.IsFinished);
        }

        Assert.That(() => loop.Next(), Throws.InvalidOperationException);
    }

    [Test]
    public void A_resumed_run_has_the_bits_of_an_uninterrupted_one([Values(0, 1, 7, 199, 399, 400)] int stop)
    {
        Quadratic whole = new();
        TrainingLoop uninterrupted = new(whole.Tensors, whole, s_options);
        uninterrupted.Run();
        Quadratic first = new();
        TrainingLoop interrupted = new(first.Tensors, first, s_options);
        while (interrupted.Step < stop)
            interrupted.Next();
        string path = Folder.File($"{stop}.safetensors");
        interrupted.Save(path);
        Quadratic second = new();
        TrainingLoop resumed = new(second.Tensors, second, s_options);
        resumed.Resume(path);
        Assert.That(resumed.Step, Is.EqualTo(stop));
        resumed.Run();
        string[] files = [Folder.File($"{stop}-whole.safetensors"), Folder.File($"{stop}-resumed.safetensors")];
        uninterrupted.Save(files[0]);
        resumed.Save(files[1]);
        Assert.That(File.ReadAllBytes(files[1]), Is.EqualTo(File.ReadAllBytes(files[0])));
        Assert.That(second.Weights(), Is.EqualTo(whole.Weights()));
    }

    [Test]
    public void A_cancelled_step_leaves_the_state_of_the_last_step()
    {
        using CancellationTokenSource source = new();
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        float[] last = [];
        objective.OnBatch = batch =>
        {
            if (batch == 4)
                source.Cancel();
        };
        Assert.That(() => loop.Run(_ => last = objective.Weights(), source.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(loop.Step, Is.EqualTo(3));
        Assert.That(objective.Weights(), Is.EqualTo(last));
    }

    [Test]
    public void A_loss_that_is_not_finite_stops_with_the_step()
    {
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, new Broken(objective), s_options);
        loop.Next();
        float[] weights = objective.Weights();
        TrainingException exception = Assert.Throws<TrainingException>(() => loop.Next())!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((exception.Step, exception.Name), Is.EqualTo((2L, "loss")));
            Assert.That(objective.Weights(), Is.EqualTo(weights));
            Assert.That(loop.Step, Is.EqualTo(1));
        }
    }

    [Test]
    public void A_gradient_that_is_not_finite_stops_with_the_tensor()
    {
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        objective.OnBatch = batch => objective.Tensors[1].Gradient[18] = batch == 3 ? float.NaN : 0;
        TrainingException exception = Assert.Throws<TrainingException>(() => loop.Run())!;
        Assert.That((exception.Step, exception.Name), Is.EqualTo((3L, "b.bias")));
    }

    [Test]
    public void Limits_are_applied_after_each_step_and_are_part_of_the_average()
    {
        Quadratic objective = new();
        int count = 0;
        TrainingLoop loop = new(objective.Tensors, objective, s_options, () =>
        {
            count++;
            foreach (TrainableTensor tensor in objective.Tensors)
                tensor.Values.Fill(3);
        });
        loop.Run();
        Assert.That(count, Is.EqualTo(400));
        loop.Average!.Swap();
        Assert.That(objective.Weights(), Is.All.EqualTo(3).Within(1e-3));
    }

    [Test]
    public void A_run_without_a_tensor_to_train_is_an_error()
    {
        Quadratic objective = new();
        NamePattern.Freeze(objective.Tensors, "*");
        Assert.That(() => new TrainingLoop(objective.Tensors, objective, s_options),
            Throws.ArgumentException.With.Message.Contains("not frozen"));
    }

    /// <summary>The first step leaves weights that are not finite, and those of no step.</summary>
    [Test]
    public void After_a_step_that_failed_the_last_checkpoint_remains_and_continues()
    {
        string path = Folder.File("training.safetensors");
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options with { LearningRate = 3e38, WarmupSteps = 0 });
        loop.Save(path);
        byte[] good = File.ReadAllBytes(path);
        TrainingException exception = Assert.Throws<TrainingException>(() => loop.Run())!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => loop.Save(path), Throws.InvalidOperationException
                .With.Message.Contains($"step {exception.Step} failed"));
            Assert.That(() => loop.Next(), Throws.InvalidOperationException
                .With.Message.Contains($"step {exception.Step} failed"));
            Assert.That(File.ReadAllBytes(path), Is.EqualTo(good));
        }

        loop.Resume(path);
        Assert.That(loop.Step, Is.Zero);
        Assert.That(objective.Weights(), Is.All.Zero);
        Assert.That(() => loop.Save(path), Throws.Nothing);
    }

    [Test]
    public void A_value_that_is_not_finite_does_not_replace_a_checkpoint()
    {
        string path = Folder.File("training.safetensors");
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        loop.Save(path);
        byte[] good = File.ReadAllBytes(path);
        objective.Tensors[1].Values[18] = float.PositiveInfinity;
        Assert.That(() => loop.Save(path), Throws.TypeOf<TrainingException>()
            .With.Message.Contains("weight/b.bias: expected finite values"));
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(good));
    }

    [Test]
    public void A_run_with_other_frozen_tensors_is_not_continued()
    {
        string path = Folder.File("training.safetensors");
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        loop.Next();
        loop.Save(path);
        NamePattern.Freeze(objective.Tensors, "a.*");
        Assert.That(() => loop.Resume(path), Throws.InstanceOf<InvalidDataException>()
            .With.Message.Contains("other frozen tensors: 'a.weight' not frozen, now frozen (one of 1)"));
        loop.Save(path);
        Assert.That(() => loop.Resume(path), Throws.Nothing);
    }

    [TestCase("not given", null, "--learn-sigma not given, now absent from the options;")]
    [TestCase(null, "not given", "--learn-sigma absent from the checkpoint, now not given;")]
    [TestCase("given", "not given", "--learn-sigma given, now not given;")]
    public void Values_of_options_that_differ_are_named(string? earlier, string? now, string expected)
    {
        string path = Folder.File("training.safetensors");
        Create(earlier).Save(path);
        Assert.That(() => Create(now).Resume(path), Throws.InstanceOf<InvalidDataException>()
            .With.Message.Contains($"other options: {expected} "));

        static TrainingLoop Create(string? value)
        {
            Quadratic objective = new();
            return new TrainingLoop(objective.Tensors, objective, s_options with
            {
                Origin = value is null ? new Dictionary<string, string>()
                    : new Dictionary<string, string> { ["--learn-sigma"] = value },
            });
        }
    }

    [Test]
    public void Options_that_are_null_are_named()
    {
        Quadratic objective = new();
        Assert.That(() => new TrainingLoop(objective.Tensors, objective, s_options with { Optimiser = null! }),
            Throws.ArgumentNullException.With.Message.Contains("options.Optimiser"));
        Assert.That(() => new TrainingLoop(objective.Tensors, objective, s_options with { Origin = null! }),
            Throws.ArgumentNullException.With.Message.Contains("options.Origin"));
    }

    private sealed class Broken(Quadratic inner) : IObjective
    {
        public int ItemCount => inner.ItemCount;

        public double AddGradients(ReadOnlySpan<int> items, CancellationToken cancellationToken)
            => inner.AddGradients(items, cancellationToken) / (2 - inner.BatchCount);
    }
}
