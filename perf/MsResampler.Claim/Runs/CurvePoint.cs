namespace MsResampler.Claim.Runs;

/// <summary>A point of a learning curve.</summary>
/// <param name="Step">The number of steps so far.</param>
/// <param name="Loss">The mean training loss since the point before.</param>
/// <param name="Accuracy">The mean accuracy over tasks on scenes of the validation split.</param>
internal sealed record CurvePoint(int Step, double Loss, double Accuracy);
