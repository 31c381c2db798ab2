using MsResampler.Kernels.Device;

namespace MsResampler.Perf.Timing;

/// <summary>A launch and how long it took.</summary>
/// <param name="Kernel">The kernel's name.</param>
/// <param name="Size">Blocks and threads.</param>
/// <param name="Milliseconds">The time between an event before it and one behind it.</param>
internal sealed record TimedLaunch(string Kernel, LaunchSize Size, double Milliseconds);
