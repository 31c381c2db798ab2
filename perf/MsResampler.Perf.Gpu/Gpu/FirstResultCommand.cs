using System.CommandLine;

namespace MsResampler.Perf.Gpu;

/// <summary>The hidden command that <see cref="FirstResult.Measure"/> starts in a new process.</summary>
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
            FirstResult.Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(grid), parsed.GetValue(precision)));
        return command;
    }
}
