using System.CommandLine;

namespace MsResampler.Cli.Commands;

/// <summary>A command whose help ends with notes and examples.</summary>
internal sealed class ExampleCommand(string name, string description) : Command(name, description)
{
    /// <summary>Lines with facts that concern more than one option.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Complete command lines; they work if the files exist.</summary>
    public required IReadOnlyList<string> Examples { get; init; }
}
