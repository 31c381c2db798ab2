namespace PtxEmulator.Parsing;

/// <summary>An entry or a device function.</summary>
internal sealed class Function
{
    public required string Name { get; init; }

    public required bool IsEntry { get; init; }

    public required IReadOnlyList<Variable> Results { get; init; }

    public required IReadOnlyList<Variable> Parameters { get; init; }

    public List<Statement> Body { get; } = [];

    /// <summary>Label to the index of the statement behind it.</summary>
    public Dictionary<string, int> Labels { get; } = [];

    /// <summary>Name of a list of branch targets to its labels.</summary>
    public Dictionary<string, string[]> BranchTargets { get; } = [];
}
