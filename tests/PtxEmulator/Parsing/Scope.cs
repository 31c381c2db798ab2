namespace PtxEmulator.Parsing;

/// <summary>The names that are visible between two braces.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object> _names = [];

    public Scope? Outer => outer;

    /// <summary>Declares a register; false if the name is taken in this scope.</summary>
    public bool TryDeclare(Register register) => _names.TryAdd(register.Name, register);

    /// <summary>Declares a variable; false if the name is taken in this scope.</summary>
    public bool TryDeclare(Variable variable)
        => _names.TryAdd(variable.Name, variable.Register is { } register ? register : variable);

    /// <summary>The register or variable with a name.</summary>
    public object? Find(string name)
        => _names.TryGetValue(name, out object? found) ? found : outer?.Find(name);
}
