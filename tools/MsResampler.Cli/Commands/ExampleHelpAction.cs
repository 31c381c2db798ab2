using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace MsResampler.Cli.Commands;

/// <summary>The standard help, followed by the command's notes and examples.</summary>
internal sealed class ExampleHelpAction(HelpAction standard) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int exitCode = standard.Invoke(parseResult);
        if (parseResult.CommandResult.Command is ExampleCommand command)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            WriteSection(output, "Notes:", command.Notes);
            WriteSection(output, "Examples:", command.Examples);
        }

        return exitCode;
    }

    private static void WriteSection(TextWriter output, string title, IReadOnlyList<string> lines)
    {
        if (lines.Count == 0)
            return;
        output.WriteLine(title);
        foreach (string line in lines)
            output.WriteLine($"  {line}");
        output.WriteLine();
    }
}
