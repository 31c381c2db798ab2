namespace MsResampler.Perf.Timing;

/// <summary>A launch with its time.</summary>
/// <param name="Kernel">The kernel's name.</param>
/// <param name="Size">The numbers of blocks and threads.</param>
/// <param name="Milliseconds">The time between two events around the launch.</param>
internal sealed record TimedLaunch(string Kernel, LaunchSize Size, double Milliseconds);
