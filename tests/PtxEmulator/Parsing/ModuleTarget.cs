namespace PtxEmulator.Parsing;

/// <summary>The version of the language and the architectures that a module names in its first lines.</summary>
internal sealed class ModuleTarget
{
    private const string Hopper = "sm_90a";

    private static readonly Version s_hopperVersion = new(8, 0);

    private static readonly Version s_dependencyVersion = new(7, 8);

    public Version Version { get; set; } = new(0, 0);

    /// <summary>The words after <c>.target</c>.</summary>
    public List<string> Names { get; } = [];

    public bool IsHopper => Names.Contains(Hopper);

    /// <summary>Checks that an instruction that only Hopper has is in a module for Hopper. Features of one architecture
    /// are not part of later ones: no other target has them.</summary>
    public void RequireHopper(Statement statement)
    {
        if (!IsHopper)
        {
            throw statement.Error($"'{statement.Opcode}' needs '.target {Hopper}', found '.target "
                + $"{string.Join(", ", Names)}'; no other architecture has it");
        }
        if (Version < s_hopperVersion)
        {
            throw statement.Error($"'{statement.Opcode}' needs '.version {s_hopperVersion}' or later, found "
                + $"'.version {Version}'");
        }
    }

    /// <summary>Checks that an instruction about dependent launches is in a module for sm_90 or later.</summary>
    public void RequireDependencies(Statement statement)
    {
        if (!Names.Any(name => name.StartsWith("sm_", StringComparison.Ordinal)
            && int.TryParse(name[3..].TrimEnd('a'), out int architecture) && architecture >= 90))
        {
            throw statement.Error($"'{statement.Opcode}' needs '.target sm_90' or later, found '.target "
                + $"{string.Join(", ", Names)}'");
        }
        if (Version < s_dependencyVersion)
        {
            throw statement.Error($"'{statement.Opcode}' needs '.version {s_dependencyVersion}' or later, found "
                + $"'.version {Version}'");
        }
    }
}
