using System.CommandLine;
using MsResampler.Perf.Models;
using MsResampler.Perf.Roofline;

namespace MsResampler.Perf;

/// <summary>The commands about GPUs, for the perf project's program and for the one that is taken to a machine without
/// .NET.</summary>
internal static class GpuCommands
{
    public static IEnumerable<Command> Create() => [ModelsCommand.Create(), RooflineCommand.Create()];
}
