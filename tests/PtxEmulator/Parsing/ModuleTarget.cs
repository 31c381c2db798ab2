namespace PtxEmulator.Parsing;

/// <summary>The version of the language and the architectures that a module names in its first lines.</summary>
internal sealed class ModuleTarget
{
    private const string Hopper = "sm_90a";

    private static readonly Version s_hopperVersion = new(8, 0);

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
}
