using System.Globalization;
using System.Text.RegularExpressions;

namespace MsResampler.Cli.Ptx;

/// <summary>The resources of an assembled kernel.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SharedBytes">Declared shared memory of a block.</param>
/// <param name="StackBytes">Memory of a thread for arrays that are not in registers.</param>
/// <param name="SpillBytes">Bytes that a thread stores to memory and loads again, because there are too few
/// registers.</param>
internal sealed partial record PtxasReport(int Registers, int SharedBytes, int StackBytes, int SpillBytes)
{
    /// <summary>The assembler's warnings and its advice, such as (C7510), which says that products of warpgroups wait
    /// for each other. One a line; empty if there are none.</summary>
    public string Messages { get; init; } = "";

    /// <summary>Parses the output of ptxas -v for one kernel.</summary>
    /// <exception cref="InputException">The output does not contain registers and spills.</exception>
    public static PtxasReport Parse(string log)
    {
        Match used = Used().Match(log);
        Match spilled = Spilled().Match(log);
        if (!used.Success || !spilled.Success)
            throw new InputException("ptxas: expected an output with registers and spills, found none");
        return new PtxasReport(Number(used.Groups["registers"]), Number(used.Groups["shared"]),
            Number(spilled.Groups["stack"]), Number(spilled.Groups["stores"]) + Number(spilled.Groups["loads"]))
        {
            Messages = string.Join('\n', Message().Matches(log).Select(message => message.Groups["text"].Value)),
        };
    }

    private static int Number(Group group)
        => group.Success ? int.Parse(group.ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"Used (?<registers>\d+) registers(.*?, (?<shared>\d+) bytes smem)?")]
    private static partial Regex Used();

    [GeneratedRegex(@"^ptxas\b.*?\b(warning\s*:\s*|info\s*:\s*(?=\(C\d+\)))(?<text>.*\S)", RegexOptions.Multiline)]
    private static partial Regex Message();

    [GeneratedRegex(@"(?<stack>\d+) bytes stack frame, (?<stores>\d+) bytes spill stores, " +
        @"(?<loads>\d+) bytes spill loads")]
    private static partial Regex Spilled();
}
