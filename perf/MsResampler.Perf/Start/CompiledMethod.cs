namespace MsResampler.Perf.Start;

/// <summary>A method that was compiled.</summary>
/// <param name="Name">Its type and name.</param>
/// <param name="Tier">How much the compiler optimised it.</param>
/// <param name="Ms">The time of the compiler.</param>
/// <param name="Phase">The phase during which it was compiled.</param>
internal sealed record CompiledMethod(string Name, string Tier, double Ms, string Phase);
