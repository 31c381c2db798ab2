using System.Globalization;

namespace MsResampler.Training;

/// <summary>Options of a <see cref="TrainingLoop"/>.</summary>
public sealed record TrainingOptions
{
    /// <summary>The number of steps; at least 1.</summary>
    public required long StepCount { get; init; }

    /// <summary>The number of items of a batch; at least 1.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The seed of the order of items.</summary>
    public ulong Seed { get; init; }

    /// <summary>The largest learning rate; above 0.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The number of steps in which the learning rate rises; at least 0 and below
    /// <see cref="StepCount"/>.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>The learning rate to which the cosine falls; at least 0 and at most
    /// <see cref="LearningRate"/>.</summary>
    public double FinalRate { get; init; }

    /// <summary>The largest norm of all gradients together; above 0, infinite for no limit.</summary>
    public double GradientLimit { get; init; } = 1;

    /// <summary>The options of the optimiser.</summary>
    public AdamWOptions Optimiser { get; init; } = new();

    /// <summary>The decay of the moving average of the weights, at least 0 and below 1; null for none.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>What else decides the result, by names for messages: the data, for example, and the limits of sigmas.
    /// A checkpoint stores it with the options, and a run is resumed with the same only.</summary>
    public IReadOnlyDictionary<string, string> Origin { get; init; } = new Dictionary<string, string>();

    /// <summary>Everything that decides the result, by name.</summary>
    internal IReadOnlyDictionary<string, string> ToText()
    {
        SortedDictionary<string, string> text = new(Origin.ToDictionary(), StringComparer.Ordinal)
        {
            ["steps"] = StepCount.ToString(CultureInfo.InvariantCulture),
            ["batch"] = BatchSize.ToString(CultureInfo.InvariantCulture),
            ["seed"] = Seed.ToString(CultureInfo.InvariantCulture),
            ["learning rate"] = Text(LearningRate),
            ["warm-up"] = WarmupSteps.ToString(CultureInfo.InvariantCulture),
            ["final rate"] = Text(FinalRate),
            ["gradient limit"] = Text(GradientLimit),
            ["first moment decay"] = Text(Optimiser.FirstMomentDecay),
            ["second moment decay"] = Text(Optimiser.SecondMomentDecay),
            ["epsilon"] = Text(Optimiser.Epsilon),
            ["weight decay"] = Text(Optimiser.WeightDecay),
            ["average decay"] = AverageDecay is { } decay ? Text(decay) : "none",
        };
        foreach ((string pattern, double factor) in Optimiser.RateFactors)
            text[$"rate factor of {pattern}"] = Text(factor);
        return text;
    }

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
