using System.Globalization;
using System.Text.RegularExpressions;

namespace MsResampler.Cli.Ptx;

/// <summary>What a kernel needs once it is assembled.</summary>
/// <param name="Registers">Of a thread.</param>
/// <param name="SharedBytes">Of a block, as declared.</param>
/// <param name="StackBytes">Of a thread, in memory: arrays that are not in registers.</param>
/// <param name="SpillBytes">That a thread stores to, and loads from, memory for want of registers.</param>
internal sealed partial record PtxasReport(int Registers, int SharedBytes, int StackBytes, int SpillBytes)
{
    /// <summary>Reads what ptxas -v says of one kernel.</summary>
    /// <exception cref="InputException">It says nothing of registers or spills.</exception>
    public static PtxasReport Parse(string log)
    {
        Match used = Used().Match(log);
        Match spilled = Spilled().Match(log);
        if (!used.Success || !spilled.Success)
            throw new InputException("ptxas says nothing of registers and spills; expected the output of ptxas -v");
        return new PtxasReport(Number(used.Groups["registers"]), Number(used.Groups["shared"]),
            Number(spilled.Groups["stack"]), Number(spilled.Groups["stores"]) + Number(spilled.Groups["loads"]));
    }

    private static int Number(Group group)
        => group.Success ? int.Parse(group.ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"Used (?<registers>\d+) registers(.*?, (?<shared>\d+) bytes smem)?")]
    private static partial Regex Used();

    [GeneratedRegex(@"(?<stack>\d+) bytes stack frame, (?<stores>\d+) bytes spill stores, " +
        @"(?<loads>\d+) bytes spill loads")]
    private static partial Regex Spilled();
}
