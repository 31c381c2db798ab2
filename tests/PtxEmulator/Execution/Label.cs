namespace PtxEmulator.Execution;

/// <summary>A place in the code.</summary>
internal sealed class Label
{
    public int Index { get; set; } = -1;
}
