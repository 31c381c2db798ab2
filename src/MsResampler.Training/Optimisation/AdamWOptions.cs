namespace MsResampler.Training;

/// <summary>Options of <see cref="AdamW"/>. The defaults are those of PyTorch, except for
/// <see cref="SecondMomentDecay"/>.</summary>
public sealed record AdamWOptions
{
    /// <summary>β₁, the decay of the mean of gradients; at least 0 and below 1.</summary>
    public double FirstMomentDecay { get; init; } = 0.9;

    /// <summary>β₂, the decay of the mean of squared gradients; at least 0 and below 1. The usual value for
    /// attention, 0.98, follows changes faster than the 0.999 of PyTorch.</summary>
    public double SecondMomentDecay { get; init; } = 0.98;

    /// <summary>ε, which is added to the root of the mean of squared gradients; above 0.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>The weight decay: each step multiplies the values of tensors with
    /// <see cref="TrainableTensor.HasDecay"/> by 1 − rate · decay. At least 0.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The number of threads that update large tensors, the calling thread included; 0 for one per processor.
    /// The bits do not depend on it.</summary>
    public int ThreadCount { get; init; }

    /// <summary>Factors of the learning rate by pattern of names, see <see cref="NamePattern"/>. A tensor has the
    /// product of the factors of all patterns that match its name. For example, <c>scopes.*.log_sigma</c> with the
    /// factor 10 lets scopes change faster than weights.</summary>
    public IReadOnlyDictionary<string, double> RateFactors { get; init; } = new Dictionary<string, double>();

    internal void Validate()
    {
        Require(FirstMomentDecay is >= 0 and < 1, nameof(FirstMomentDecay), "at least 0 and below 1", FirstMomentDecay);
        Require(SecondMomentDecay is >= 0 and < 1, nameof(SecondMomentDecay), "at least 0 and below 1",
            SecondMomentDecay);
        Require(Epsilon > 0 && double.IsFinite(Epsilon), nameof(Epsilon), "a finite number above 0", Epsilon);
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), nameof(WeightDecay), "a finite number of at least 0",
            WeightDecay);
        Require(ThreadCount >= 0, nameof(ThreadCount), "at least 0", ThreadCount);
        foreach ((string pattern, double factor) in RateFactors)
            Require(factor >= 0 && double.IsFinite(factor), $"{nameof(RateFactors)}['{pattern}']",
                "a finite number of at least 0", factor);
    }

    private static void Require(bool isValid, string name, string expected, double found)
    {
        if (!isValid)
            throw new ArgumentException($"{name}: expected {expected}, found {found:R}");
    }
}
