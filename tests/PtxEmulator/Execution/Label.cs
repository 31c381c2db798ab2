namespace PtxEmulator.Execution;

/// <summary>A position in the code.</summary>
internal sealed class Label
{
    public int Index { get; set; } = -1;
}
