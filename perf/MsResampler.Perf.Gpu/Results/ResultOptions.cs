using System.CommandLine;

namespace MsResampler.Perf.Results;

/// <summary>The options of a command that writes results of the GPU bundle.</summary>
internal sealed class ResultOptions
{
    private readonly Option<string?> _folder = new("--results")
    {
        Description = "Add each result at once to results.jsonl and results.md of this folder. Results that it has " +
            "are not measured again.",
        HelpName = "DIR",
    };

    private readonly Option<string> _step;

    private ResultOptions(string step) => _step = new Option<string>("--step")
    {
        Description = "The step of the GPU bundle to which the results belong.",
        DefaultValueFactory = _ => step,
    };

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="step">The default of the step.</param>
    public static ResultOptions AddTo(Command command, string step)
    {
        ResultOptions options = new(step);
        command.Options.Add(options._folder);
        command.Options.Add(options._step);
        return options;
    }

    /// <summary>The log that the command line names, or null.</summary>
    public ResultLog? Open(ParseResult parsed)
        => parsed.GetValue(_folder) is { } folder ? new ResultLog(folder, parsed.GetRequiredValue(_step)) : null;
}
