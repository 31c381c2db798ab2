namespace MsResampler.Claim.Runs;

/// <summary>What all runs of an experiment have in common.</summary>
internal sealed record RunSettings
{
    public required int Steps { get; init; }

    public int WarmupSteps => Math.Max(1, Steps / 20);

    public int ScenesPerStep { get; init; } = 32;

    public int QuestionsPerTask { get; init; } = 2;

    public double WeightDecay { get; init; } = 0.01;

    public double GradientLimit { get; init; } = 1;

    /// <summary>Scenes of the final evaluation.</summary>
    public int TestScenes { get; init; } = 2000;

    /// <summary>Scenes of an evaluation on the validation split.</summary>
    public int ValidationScenes { get; init; } = 500;

    /// <summary>Points of the learning curve.</summary>
    public int CurvePoints { get; init; } = 10;
}
