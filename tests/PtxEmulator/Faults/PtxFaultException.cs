using System.Globalization;
using System.Text;

namespace PtxEmulator;

/// <summary>A kernel, or a copy from the host, did something that the hardware forbids or leaves undefined.</summary>
public sealed class PtxFaultException : Exception
{
    public PtxFaultException()
    {
    }

    public PtxFaultException(string message)
        : base(message)
    {
    }

    public PtxFaultException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <param name="kind">The kind of fault.</param>
    /// <param name="detail">The facts: what was expected and what was found.</param>
    /// <param name="site">The location.</param>
    internal PtxFaultException(PtxFaultKind kind, string detail, FaultSite site)
        : base(Describe(kind, detail, site))
    {
        Kind = kind;
        Kernel = site.Kernel;
        Instruction = site.Instruction;
        Line = site.Line;
        Block = site.Block;
        Thread = site.Thread;
        Address = site.Address;
    }

    public PtxFaultKind Kind { get; }

    /// <summary>The name of the entry; null for a fault of the host.</summary>
    public string? Kernel { get; }

    /// <summary>The text of the instruction; for the host, the operation.</summary>
    public string Instruction { get; } = "";

    /// <summary>The line of the instruction in the PTX text, counted from 1; 0 for the host.</summary>
    public int Line { get; }

    /// <summary>The block's position in the grid; null for the host.</summary>
    public Dim3? Block { get; }

    /// <summary>The thread's position in the block; null for the host.</summary>
    public Dim3? Thread { get; }

    /// <summary>The address in the instruction's state space; null if the fault has none.</summary>
    public ulong? Address { get; }

    private static string Describe(PtxFaultKind kind, string detail, FaultSite site)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{kind}: {detail}");
        text.Append(CultureInfo.InvariantCulture, $"\n  instruction: {site.Instruction}");
        if (site.Line > 0)
            text.Append(CultureInfo.InvariantCulture, $" (line {site.Line})");
        if (site.Kernel != null)
            text.Append(CultureInfo.InvariantCulture, $"\n  kernel: {site.Kernel}");
        if (site.Block is { } block)
            text.Append(CultureInfo.InvariantCulture, $"\n  block: {block}");
        if (site.Thread is { } thread)
            text.Append(CultureInfo.InvariantCulture, $"\n  thread: {thread}");
        if (site.Address is { } address)
            text.Append(CultureInfo.InvariantCulture, $"\n  address: 0x{address:x}");
        return text.ToString();
    }
}
