using System.CommandLine;
using MsResampler.Kernels.Measuring;

namespace MsResampler.Cli.Commands;

/// <summary>What <c>bench</c> starts a new process with.</summary>
internal static class FirstResultCommand
{
    public static Command Create()
    {
        Argument<string> model = new("model");
        Argument<string> grid = new("grid");
        Argument<Precision> precision = new("precision");
        Command command = new(FirstResult.CommandName) { model, grid, precision };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            FirstResult.Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(grid), parsed.GetValue(precision));
            return ExitCode.Done;
        });
        return command;
    }
}
