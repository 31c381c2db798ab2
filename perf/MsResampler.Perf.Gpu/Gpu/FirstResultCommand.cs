using System.CommandLine;

namespace MsResampler.Perf.Gpu;

/// <summary>The hidden command that <see cref="FirstResult.Measure"/> starts in a new process.</summary>
internal static class FirstResultCommand
{
    public static Command Create()
    {
        Argument<string> model = new("model");
        Argument<PatchGrid> grid = new("grid") { CustomParser = GridText.Parse };
        Argument<Precision> precision = new("precision");
        Command command = new(FirstResult.CommandName) { model, grid, precision };
        command.Hidden = true;
        command.SetAction(parsed =>
            FirstResult.Run(parsed.GetRequiredValue(model), parsed.GetValue(grid), parsed.GetValue(precision)));
        return command;
    }
}
