namespace MsResampler.Claim.Report;

/// <summary>The time of inference of an arm, per image, in milliseconds on one thread.</summary>
/// <param name="Arm">The arm.</param>
/// <param name="One">One image in a call.</param>
/// <param name="Eight">Eight images in a call.</param>
internal sealed record ArmTime(string Arm, double One, double Eight);
