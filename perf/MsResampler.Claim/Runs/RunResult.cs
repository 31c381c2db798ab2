namespace MsResampler.Claim.Runs;

/// <summary>What is kept of a finished run: one arm with one seed.</summary>
internal sealed record RunResult
{
    /// <summary>The arm.</summary>
    public required string Arm { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>The highest learning rate.</summary>
    public required double Rate { get; init; }

    public required int Steps { get; init; }

    /// <summary>The mean accuracy on the validation split at the end.</summary>
    public required double Validation { get; init; }

    /// <summary>The learning curve.</summary>
    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    /// <summary>The accuracy for each kind of question on scenes of test garments; null for a run that chooses a
    /// learning rate, which does not see the test set.</summary>
    public double[]? Test { get; init; }

    /// <summary>The same with all weights, of the model and of the reader, rounded to float16.</summary>
    public double[]? TestFloat16 { get; init; }

    /// <summary>The same with all weights rounded to bfloat16.</summary>
    public double[]? TestBFloat16 { get; init; }

    /// <summary>The accuracy on a canvas of twice the size, with windows and sigmas as fractions.</summary>
    public double[]? TestDoubled { get; init; }

    /// <summary>The same with windows and sigmas in patches; null if the arm has none.</summary>
    public double[]? TestDoubledInPatches { get; init; }

    /// <summary>The mean weight that the gate gives each scope for each kind of question, [tasks, scopes]: the mean
    /// over tokens, weighted by how much the reader attends to each. Null without a gate.</summary>
    public double[][]? Gate { get; init; }

    /// <summary>Learned sigmas as fractions of the canvas, [scopes, heads, (rows, columns)] in one list; null if none
    /// is learned.</summary>
    public double[]? Sigmas { get; init; }

    /// <summary>The duration of the run in seconds, with all evaluations, beside other runs.</summary>
    public required double Seconds { get; init; }
}
