namespace MsResampler.Training.Tests.Runs;

/// <summary>The loss of distillation against its formula, with tokens of the engine for inference.</summary>
internal sealed class DistillationTests
{
    private static readonly PatchGrid[] s_grids = [new(3, 4), new(2, 2), new(5, 3), new(4, 4)];

    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(2, 2), Configs.Gaussian(1, 2));

    private readonly TrainableModel _model = TrainableModel.Create(s_config, seed: 3);

    private float[] _features = [];
    private float[] _teacher = [];

    private static int TokenCount => s_config.QueryGrid.QueryCount * s_config.OutputSize;

    [SetUp]
    public void Draw()
    {
        Random random = new(7);
        _features = [.. Enumerable.Range(0, s_grids.Sum(grid => grid.Rows * grid.Columns) * s_config.VisionHiddenSize)
            .Select(_ => (float)random.NextDouble() - 0.5f)];
        // A mean far from 0, which a sum of plain squares in single precision would not survive.
        _teacher = [.. Enumerable.Range(0, s_grids.Length * TokenCount).Select(_ => 1000 + (float)random.NextDouble())];
    }

    [Test]
    public void The_variance_is_that_around_the_mean_of_each_channel()
    {
        using ResamplerTrainer trainer = new(_model);
        Distillation distillation = new(trainer, Data());
        Assert.That(distillation.TeacherVariance, Is.EqualTo(Variance()).Within(1e-9).Percent);
    }

    /// <summary>Tokens of the engine and of the trainer differ by rounding: relative 1e-5 of tokens of about 1, beside
    /// differences of about 1000 from the teacher.</summary>
    [Test]
    public void The_loss_is_the_mean_square_divided_by_the_variance()
    {
        using ResamplerTrainer trainer = new(_model);
        Distillation distillation = new(trainer, Data());
        int[] items = [2, 0, 2];
        double sum = items.Sum(item => Differences(item).Sum(difference => difference * difference));
        double expected = sum / (items.Length * TokenCount) / Variance();
        Assert.That(distillation.LossOf(items), Is.EqualTo(expected).Within(1e-5).Percent);
        Assert.That(distillation.AddGradients(items, CancellationToken.None), Is.EqualTo(distillation.LossOf(items)));
    }

    /// <summary>The bias of the last layer adds to every token: its gradient is the sum of 2·(y − t)/(v·n). The sums
    /// have 18 terms of one sign, in single precision.</summary>
    [Test]
    public void The_gradient_is_that_of_the_loss()
    {
        using ResamplerTrainer trainer = new(_model);
        int[] items = [1, 3, 0];
        new Distillation(trainer, Data()).AddGradients(items, CancellationToken.None);
        double[] expected = new double[s_config.OutputSize];
        foreach (int item in items)
        {
            foreach ((int index, double difference) in Differences(item).Index())
                expected[index % expected.Length] += 2 * difference / (Variance() * items.Length * TokenCount);
        }

        Assert.That(_model["proj.bias"].Gradient.ToArray(), Is.EqualTo(expected).Within(1e-4).Percent);
    }

    [Test]
    public void Equal_tokens_of_a_teacher_are_an_error()
    {
        using ResamplerTrainer trainer = new(_model);
        DistillationSet data = new(_features, s_grids, new float[s_grids.Length * TokenCount]);
        Assert.That(() => new Distillation(trainer, data), Throws.ArgumentException
            .With.Message.Contains("found equal ones"));
    }

    /// <summary>Beyond these scales the gradients of float32 tokens vanish beside the optimiser's ε, or their squares
    /// leave the range.</summary>
    [TestCase(1e30f, "found 2.8e29")]
    [TestCase(1e10f, "found 2.8e9")]
    [TestCase(1e-10f, "found 2.8e-11")]
    [TestCase(1e-30f, "found 2.8e-31")]
    public void A_teacher_of_an_extreme_scale_is_an_error(float scale, string found)
    {
        using ResamplerTrainer trainer = new(_model);
        Assert.That(() => new Distillation(trainer, Scaled(scale)), Throws.ArgumentException.With.Message
            .Contains($"expected a standard deviation from 1e-8 to 1e8, {found}; multiply the tokens"));
    }

    /// <summary>At the ends of the range every step still moves the weights, and losses are finite.</summary>
    [Test]
    public void A_teacher_at_the_ends_of_the_range_trains([Values(3e8f, 4e-8f)] float scale)
    {
        using ResamplerTrainer trainer = new(_model);
        Distillation distillation = new(trainer, Scaled(scale));
        TrainingLoop loop = new(_model.Tensors, distillation, new TrainingOptions
        {
            StepCount = 5,
            BatchSize = 4,
            LearningRate = 1e-2,
            GradientLimit = double.PositiveInfinity,
            Optimiser = new AdamWOptions { WeightDecay = 0 },
        });
        float[] bias = _model["proj.bias"].Values.ToArray();
        loop.Run(step =>
        {
            float[] now = _model["proj.bias"].Values.ToArray();
            Assert.That(now, Is.Not.EqualTo(bias));
            bias = now;
        });
    }

    [TestCase(1, 0, "features: expected")]
    [TestCase(0, 1, "tokens: expected")]
    public void A_length_that_is_no_multiple_is_an_error(int moreFeatures, int moreTokens, string expected)
        => Assert.That(() => new DistillationSet(new float[_features.Length + moreFeatures], s_grids,
            new float[_teacher.Length + moreTokens]), Throws.ArgumentException.With.Message.StartsWith(expected));

    /// <summary>Lengths that divide by the numbers of patches and images, but are not those of the student.</summary>
    [TestCase(2, 1, "features: expected 12 channels for each patch, as the student reads, found 6")]
    [TestCase(1, 2, "values for each image, as the student gives, found ")]
    public void Sizes_of_another_student_are_an_error(int featureDivisor, int tokenDivisor, string expected)
    {
        using ResamplerTrainer trainer = new(_model);
        DistillationSet data = new(_features.AsMemory(0, _features.Length / featureDivisor), s_grids,
            _teacher.AsMemory(0, _teacher.Length / tokenDivisor));
        Assert.That(() => new Distillation(trainer, data), Throws.ArgumentException.With.Message.Contains(expected));
    }

    [Test]
    public void A_destination_of_another_length_is_an_error([Values(-1, 1)] int more)
    {
        Assert.That(() => Data().ReadTokens(0, new float[TokenCount + more]), Throws.ArgumentException
            .With.Message.StartsWith($"tokens: expected a destination for {TokenCount} values"));
        Assert.That(() => Data().ReadFeatures(0, new float[(12 * s_config.VisionHiddenSize) + more]),
            Throws.ArgumentException.With.Message.StartsWith("features: expected a destination for "));
    }

    [Test]
    public void An_item_that_does_not_exist_is_an_error([Values(-1, 4)] int item)
    {
        using ResamplerTrainer trainer = new(_model);
        Distillation distillation = new(trainer, Data());
        Assert.That(() => distillation.LossOf([item]), Throws.TypeOf<ArgumentOutOfRangeException>()
            .With.Message.Contains($"expected items from 0 to 3, found {item}"));
    }

    /// <summary>The message names the item of the data, not its place in the batch.</summary>
    [Test]
    public void An_item_whose_tokens_overflow_is_named_and_stops_the_loop_with_the_step()
    {
        using ResamplerTrainer trainer = new(_model);
        int start = s_grids.Take(2).Sum(grid => grid.Rows * grid.Columns) * s_config.VisionHiddenSize;
        foreach (ref float feature in _features.AsSpan(start, 15 * s_config.VisionHiddenSize))
            feature = feature < 0 ? -3e38f : 3e38f;
        Distillation distillation = new(trainer, Data());
        Assert.That(() => distillation.LossOf([0, 2, 1]), Throws.TypeOf<ActivationOverflowException>()
            .With.Message.StartsWith("image 2 (5x3 patches): ").And.Property("ImageIndex").EqualTo(2));
        float[][] weights = [.. _model.Tensors.Select(tensor => tensor.Values.ToArray())];
        TrainingLoop loop = new(_model.Tensors, distillation, new TrainingOptions { StepCount = 3, BatchSize = 4 });
        TrainingException exception = Assert.Throws<TrainingException>(() => loop.Run())!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((exception.Step, exception.Name), Is.EqualTo((1L, "tokens")));
            Assert.That(exception.Message, Does.StartWith("step 1, tokens: image 2 (5x3 patches): a value between ")
                .And.EndWith("or lower the learning rate"));
            Assert.That(loop.Step, Is.Zero);
            Assert.That(_model.Tensors.Select(tensor => tensor.Values.ToArray()), Is.EqualTo(weights));
        }
    }

    /// <summary>The tokens of the engine for the same groups, whose frames have different grids and times.</summary>
    [Test]
    public void Groups_of_frames_are_items()
    {
        ResamplerConfig config = s_config with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None,
                FrameEmbeddingType.SinCos1D),
        };
        TrainableModel model = TrainableModel.Create(config, seed: 3);
        GroupData data = new(_features, _teacher);
        using ResamplerTrainer trainer = new(model);
        Distillation distillation = new(trainer, data);
        using ResamplerModel opened = model.ToModel();
        using Resampler engine = Resampler.Load(opened, new ResamplerOptions { Backend = Backend.Cpu });
        int[] items = [1, 0, 1];
        double sum = 0;
        foreach (int item in items)
        {
            float[] features = new float[GroupData.PatchCountOf(item) * config.VisionHiddenSize];
            float[] targets = new float[TokenCount];
            float[] tokens = new float[TokenCount];
            data.ReadFeatures(item, features);
            data.ReadTokens(item, targets);
            engine.Resample(features, new FrameGroups(data.GridsOf(item), data.TemporalIdsOf(item),
                [data.GridsOf(item).Length]), tokens);
            sum += tokens.Zip(targets, (token, target) => Math.Pow((double)token - target, 2)).Sum();
        }

        double expected = sum / (items.Length * TokenCount) / distillation.TeacherVariance;
        Assert.That(distillation.LossOf(items), Is.EqualTo(expected).Within(1e-5).Percent);

        data.Ids[1] = 7;
        Assert.That(distillation.LossOf(items), Is.Not.EqualTo(expected).Within(1e-5).Percent, "times");
        _features.AsSpan(12 * config.VisionHiddenSize, 4 * config.VisionHiddenSize).Fill(3e38f);
        _features[12 * config.VisionHiddenSize] = -3e38f;
        Assert.That(() => distillation.LossOf(items), Throws.TypeOf<ActivationOverflowException>()
            .With.Message.StartsWith("group 0 (2 frames, 16 patches): "));
    }

    /// <summary>A teacher of a scale: tokens from 0 to it, whose standard deviation is 0.29 times that.</summary>
    private DistillationSet Scaled(float scale)
    {
        Random random = new(8);
        return new DistillationSet(_features, s_grids,
            _teacher.Select(_ => (float)random.NextDouble() * scale).ToArray());
    }

    /// <summary>Two groups, of two frames each.</summary>
    private sealed class GroupData(float[] features, float[] tokens) : IDistillationData
    {
        public int[] Ids { get; } = [0, 3, 4, -1];

        public int ItemCount => 2;

        public static int PatchCountOf(int item) => item == 0 ? 16 : 31;

        public ReadOnlySpan<PatchGrid> GridsOf(int item) => s_grids.AsSpan(2 * item, 2);

        public ReadOnlySpan<int> TemporalIdsOf(int item) => Ids.AsSpan(2 * item, 2);

        public void ReadFeatures(int item, Span<float> destination)
            => features.AsSpan(item * 16 * s_config.VisionHiddenSize, destination.Length).CopyTo(destination);

        public void ReadTokens(int item, Span<float> destination)
            => tokens.AsSpan(item * TokenCount, TokenCount).CopyTo(destination);
    }

    private DistillationSet Data() => new(_features, s_grids, _teacher);

    private double Variance()
    {
        int width = s_config.OutputSize;
        double[] means = [.. Enumerable.Range(0, width).Select(channel
            => _teacher.Where((_, index) => index % width == channel).Average(value => (double)value))];
        return _teacher.Select((value, index) => Math.Pow(value - means[index % width], 2)).Average();
    }

    /// <summary>y − t of an item.</summary>
    private double[] Differences(int item)
    {
        using ResamplerModel model = _model.ToModel();
        using Resampler engine = Resampler.Load(model, new ResamplerOptions { Backend = Backend.Cpu });
        int start = s_grids.Take(item).Sum(grid => engine.FeatureLength(grid));
        float[] tokens = engine.Resample(_features.AsSpan(start, engine.FeatureLength(s_grids[item])),
            [s_grids[item]]);
        return [.. tokens.Select((token, index) => (double)token - _teacher[(item * TokenCount) + index])];
    }
}
