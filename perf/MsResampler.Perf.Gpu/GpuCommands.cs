using System.CommandLine;
using MsResampler.Kernels.Measuring;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Models;
using MsResampler.Perf.Roofline;

namespace MsResampler.Perf;

/// <summary>The commands about GPUs, for the perf project's program and for the one that is taken to a machine without
/// .NET.</summary>
internal static class GpuCommands
{
    public static IEnumerable<Command> Create()
        => [GpuCommand.Create(), ModelsCommand.Create(), RooflineCommand.Create(), FirstResultCommand()];

    // Started by gpu, in a process of its own.
    private static Command FirstResultCommand()
    {
        Argument<string> model = new("model");
        Argument<string> grid = new("grid");
        Argument<Precision> precision = new("precision");
        Command command = new(FirstResult.CommandName) { model, grid, precision };
        command.Hidden = true;
        command.SetAction(parsed =>
            FirstResult.Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(grid), parsed.GetValue(precision)));
        return command;
    }
}
