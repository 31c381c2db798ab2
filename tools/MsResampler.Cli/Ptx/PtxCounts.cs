using System.Globalization;
using System.Text.RegularExpressions;

namespace MsResampler.Cli.Ptx;

/// <summary>Numbers of instructions in a PTX text. The body of a loop counts once.</summary>
/// <param name="All">All instructions.</param>
/// <param name="MultiplyAdds">The instructions fma, mma and wgmma.</param>
/// <param name="Global">Loads, stores, atomic operations and asynchronous copies of global memory.</param>
/// <param name="Shared">Loads and stores of shared memory, including matrix loads.</param>
/// <param name="Barriers">Barriers of a block.</param>
/// <param name="SharedBytes">Bytes of shared memory that the text declares.</param>
internal sealed partial record PtxCounts(int All, int MultiplyAdds, int Global, int Shared, int Barriers,
    int SharedBytes)
{
    /// <summary>Counts the instructions of a text.</summary>
    public static PtxCounts Of(string ptx)
    {
        string[] opcodes = [.. Comment().Replace(ptx, "").Split(';').Select(Opcode).Where(opcode => opcode.Length > 0)];
        return new PtxCounts(opcodes.Length, Count("fma.", "mma.", "wgmma.mma"),
            Count("ld.global", "st.global", "cp.async.ca.", "cp.async.cg.") + opcodes.Count(IsGlobalAtomic),
            Count("ld.shared", "st.shared", "ldmatrix."),
            Count("bar.", "barrier."),
            SharedVariable().Matches(ptx).Sum(match => Number(match.Groups["bits"]) / 8
                * (match.Groups["count"].Success ? Number(match.Groups["count"]) : 1)));

        int Count(params string[] starts)
            => opcodes.Count(opcode => starts.Any(start => opcode.StartsWith(start, StringComparison.Ordinal)));
    }

    /// <summary>Whether an opcode is an atomic operation on global memory. The state space has no fixed
    /// place.</summary>
    private static bool IsGlobalAtomic(string opcode)
        => opcode.Split('.') is ["atom" or "red", .. var parts] && parts.Contains("global");

    /// <summary>The opcode of a statement; empty for a declaration.</summary>
    private static string Opcode(string statement)
    {
        // The text before the first instruction of a body contains the head of the function.
        if (statement.TrimStart(' ', '\t', '\r', '\n', '}').StartsWith('.'))
            statement = statement[(statement.LastIndexOf('{') + 1)..];
        return Instruction().Match(statement).Groups["opcode"].Value;
    }

    private static int Number(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment();

    /// <summary>An opcode after optional braces, labels and a predicate.</summary>
    [GeneratedRegex(@"^([\s{}]|[\w$%]+:)*(@!?%\w+\s+)?(?<opcode>[a-z]\w*(\.[\w:]+)*)")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"\.shared\s+(\.align\s+\d+\s+)?\.[busf](?<bits>8|16|32|64)\s+[\w$%]+(\[(?<count>\d+)\])?\s*;")]
    private static partial Regex SharedVariable();
}
