namespace MsResampler.Perf.Profile;

/// <summary>The predicted speed of a call on more threads than the machine has.</summary>
/// <param name="Case">The case.</param>
/// <param name="Points">The predictions.</param>
internal sealed record Scaling(ProfileCase Case, IReadOnlyList<ScalingPoint> Points)
{
    /// <summary>Twice as many threads must make a call faster by this factor; otherwise it has stopped
    /// scaling.</summary>
    private const double UsefulGain = 1.3;

    /// <summary>The first number of threads from which twice as many are not worth it; null if there is
    /// none.</summary>
    public ScalingPoint? StopsAt => Points.Zip(Points.Skip(1)).FirstOrDefault(pair =>
        pair.Second.SpeedUp < UsefulGain * pair.First.SpeedUp).First;
}
