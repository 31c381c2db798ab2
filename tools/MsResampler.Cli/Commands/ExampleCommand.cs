using System.CommandLine;

namespace MsResampler.Cli.Commands;

/// <summary>A command whose help ends with notes and examples.</summary>
internal sealed class ExampleCommand(string name, string description) : Command(name, description)
{
    /// <summary>Facts that do not fit one option's line.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Command lines that work as they stand, with files in place.</summary>
    public required IReadOnlyList<string> Examples { get; init; }
}
