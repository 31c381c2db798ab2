namespace MsResampler.Claim.Runs;

/// <summary>How large an experiment is.</summary>
internal sealed record RunPlan
{
    /// <summary>The final runs.</summary>
    public required RunSettings Settings { get; init; }

    /// <summary>The runs that choose a learning rate.</summary>
    public required RunSettings Tuning { get; init; }

    /// <summary>The learning rates that every arm tries, with one seed.</summary>
    public required IReadOnlyList<double> Rates { get; init; }

    /// <summary>The seeds of the final runs, the same for every arm.</summary>
    public required IReadOnlyList<ulong> Seeds { get; init; }

    /// <summary>The seed of the runs that choose a learning rate; not one of <see cref="Seeds"/>.</summary>
    public const ulong TuningSeed = 100;

    /// <summary>The complete experiment: hours. Its seeds were not used while it was built.</summary>
    public static RunPlan Full { get; } = new()
    {
        Settings = new RunSettings { Steps = 3000 },
        Tuning = new RunSettings { Steps = 1300 },
        Rates = [5e-4, 1e-3, 2e-3, 4e-3, 8e-3],
        Seeds = [11, 12, 13, 14, 15, 16, 17, 18],
    };

    /// <summary>A small one: minutes. Its results are not those of the report.</summary>
    public static RunPlan Quick { get; } = new()
    {
        Settings = new RunSettings { Steps = 150, TestScenes = 200, ValidationScenes = 100, CurvePoints = 5 },
        Tuning = new RunSettings { Steps = 30, ValidationScenes = 100, CurvePoints = 1 },
        Rates = [1e-3, 4e-3],
        Seeds = [1, 2],
    };
}
