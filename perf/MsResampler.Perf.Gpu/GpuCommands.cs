using System.CommandLine;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Probe;
using MsResampler.Perf.Results;
using MsResampler.Perf.Roofline;

namespace MsResampler.Perf;

/// <summary>The commands about GPUs, shared by the perf project's program and the program of the GPU bundle.</summary>
internal static class GpuCommands
{
    public static IEnumerable<Command> Create() =>
    [
        MachineCommand.Create(), ProbeCommand.Create(), GpuCommand.Create(), ModelsCommand.Create(),
        ProfileCommand.Create(), CountersCommand.Create(), RooflineCommand.Create(), FirstResultCommand.Create(),
        ReportCommand.Create(),
    ];
}
