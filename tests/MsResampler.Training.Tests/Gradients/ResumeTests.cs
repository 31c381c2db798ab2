namespace MsResampler.Training.Tests.Gradients;

/// <summary>A run that is stopped and resumed has the bits of an uninterrupted one, for a whole model.</summary>
internal sealed class ResumeTests : TemporaryFolderFixture
{
    private static readonly TrainingOptions s_options = new()
    {
        StepCount = 6,
        BatchSize = 3,
        Seed = 4,
        LearningRate = 0.01,
        WarmupSteps = 2,
        AverageDecay = 0.9,
    };

    /// <summary>Each part of the run has another number of threads, as on another machine.</summary>
    [Test]
    public void A_resumed_run_has_the_bits_of_an_uninterrupted_one([Values(0, 1, 2, 31)] int index,
        [Values(1, 4)] int stop)
    {
        using TrainingCase drawn = new(index);
        Run whole = new(drawn, threadCount: 1);
        List<double> losses = [];
        whole.Loop.Run(step => losses.Add(step.Loss));

        Run first = new(drawn, threadCount: 2);
        List<double> resumedLosses = [];
        while (first.Loop.Step < stop)
            resumedLosses.Add(first.Loop.Next().Loss);
        string path = Folder.File("training.safetensors");
        first.Loop.Save(path);
        Run second = new(drawn, threadCount: 3);
        second.Loop.Resume(path);
        second.Loop.Run(step => resumedLosses.Add(step.Loss));

        string[] files = [Folder.File("whole.safetensors"), Folder.File("resumed.safetensors")];
        whole.Loop.Save(files[0]);
        second.Loop.Save(files[1]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(resumedLosses, Is.EqualTo(losses), $"losses of {drawn}");
            Assert.That(TrainingCase.DifferenceOf(second.Model, whole.Model), Is.Null, $"{drawn}");
            Assert.That(File.ReadAllBytes(files[1]).AsSpan().SequenceEqual(File.ReadAllBytes(files[0])),
                $"weights, moments and averages of {drawn}");
            Assert.That(losses[^1], Is.LessThan(losses[0]), "the loss falls");
        }
    }

    /// <summary>Distils tokens that are not those of the model.</summary>
    private sealed class Run
    {
        public Run(TrainingCase drawn, int threadCount)
        {
            Model = drawn.CreateModel();
            ResamplerTrainer trainer = new(Model, new TrainerOptions
            {
                ThreadCount = threadCount,
                ProcessorCount = threadCount,
            });
            double[] tokens = RandomLoss.Normal(new Random(7), drawn.Loss.Count);
            Loop = new TrainingLoop(Model.Tensors, new Distillation(trainer, new DistillationSet(drawn.Features,
                drawn.Grids, Array.ConvertAll(tokens, value => (float)value))), s_options);
        }

        public TrainableModel Model { get; }

        public TrainingLoop Loop { get; }
    }
}
