namespace PtxEmulator.Parsing;

/// <summary>An entry or a device function.</summary>
internal sealed class Function
{
    public required string Name { get; init; }

    public required bool IsEntry { get; init; }

    public required IReadOnlyList<Variable> Results { get; init; }

    public required IReadOnlyList<Variable> Parameters { get; init; }

    public List<Statement> Body { get; } = [];

    /// <summary>Maps a label to the index of the statement after it.</summary>
    public Dictionary<string, int> Labels { get; } = [];

    /// <summary>Maps the name of a branch-target list to its labels.</summary>
    public Dictionary<string, string[]> BranchTargets { get; } = [];
}
