using MsResampler.Claim.Arms;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Runs;

/// <summary>A model and its reader in training.</summary>
internal sealed class Trainee : IDisposable
{
    // Scenes for training, for validation and for the test come from different sequences.
    private const ulong TrainingSequence = 1_000_000;
    private const ulong ValidationSequence = 2_000_000;
    private const ulong FirstTestSequence = 3_000_000;
    private const int EvaluationScenes = 50;

    private readonly RunSettings _settings;

    public Trainee(TokenModel model, ulong seed, RunSettings settings, Reader? reader = null)
    {
        (Model, Seed, _settings) = (model, seed, settings);
        // The same first weights of the reader in every arm.
        Reader = reader ?? new Reader(Arm.Queries.QueryCount, Arm.TokenSize, seed);
    }

    public TokenModel Model { get; }

    public Reader Reader { get; }

    public ulong Seed { get; }

    /// <summary>The sequence of the scenes of the test, the same in every arm.</summary>
    public ulong TestSequence => FirstTestSequence + Seed;

    /// <summary>Trains, and returns the learning curve.</summary>
    public IReadOnlyList<CurvePoint> Train(double rate, GarmentSet training, GarmentSet validation,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<TrainableTensor> tensors = [.. Model.Tensors, .. Reader.Tensors];
        AdamW optimiser = new(tensors, new AdamWOptions
        {
            WeightDecay = _settings.WeightDecay,
            RateFactors = Model.RateFactors,
        });
        CosineSchedule schedule = new(rate, _settings.WarmupSteps, _settings.Steps);
        SceneBatch batch = new(_settings.ScenesPerStep, _settings.QuestionsPerTask, scale: 1);
        float[] tokens = new float[_settings.ScenesPerStep * Arm.TokenFloats];
        float[] tokenGradients = new float[tokens.Length];
        List<CurvePoint> curve = [];
        double lossSum = 0;
        int lossCount = 0;
        for (int step = 1; step <= _settings.Steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            batch.Draw(training, TrainingSequence + Seed, (step - 1L) * _settings.ScenesPerStep);
            foreach (TrainableTensor tensor in tensors)
                tensor.Gradient.Clear();
            Model.Forward(batch.Features, batch.Grid, batch.SceneCount, tokens);
            Reader.Ask(tokens, batch.Questions);
            lossSum += Reader.Backward(tokenGradients);
            lossCount++;
            Model.Backward(tokenGradients);
            GradientNorm.Clip(tensors, _settings.GradientLimit, step);
            optimiser.Step(schedule.RateAt(step));
            Model.AfterStep();
            if (step * _settings.CurvePoints / _settings.Steps == (step - 1) * _settings.CurvePoints / _settings.Steps)
                continue;
            double accuracy = Evaluate(validation, GarmentSplit.Validation, _settings.ValidationScenes).Average();
            curve.Add(new CurvePoint(step, lossSum / lossCount, accuracy));
            (lossSum, lossCount) = (0, 0);
        }

        return curve;
    }

    /// <summary>The accuracy for each kind of question.</summary>
    /// <param name="garments">The garments.</param>
    /// <param name="split">The split that they are.</param>
    /// <param name="sceneCount">The number of scenes.</param>
    /// <param name="scale">The scale of the scenes.</param>
    /// <param name="model">Another model that computes the tokens; null for the trained one.</param>
    public double[] Evaluate(GarmentSet garments, GarmentSplit split, int sceneCount, int scale = 1,
        TokenModel? model = null)
    {
        int batchScenes = Math.Min(EvaluationScenes / (scale * scale), sceneCount);
        SceneBatch batch = new(batchScenes, _settings.QuestionsPerTask, scale);
        float[] tokens = new float[batchScenes * Arm.TokenFloats];
        int[] right = new int[Question.TaskCount];
        int count = 0;
        for (int first = 0; first + batchScenes <= sceneCount; first += batchScenes, count += batchScenes)
        {
            batch.Draw(garments, split == GarmentSplit.Test ? TestSequence : ValidationSequence + Seed, first);
            (model ?? Model).Forward(batch.Features, batch.Grid, batchScenes, tokens);
            Reader.Ask(tokens, batch.Questions);
            for (int question = 0; question < batch.Questions.Length; question++)
            {
                if (Reader.BestAnswer(question) == batch.Questions[question].Answer)
                    right[(int)batch.Questions[question].Task]++;
            }
        }

        return [.. right.Select(number => (double)number / (count * _settings.QuestionsPerTask))];
    }

    public void Dispose() => Model.Dispose();
}
