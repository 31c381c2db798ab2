namespace PtxEmulator.Parsing;

/// <summary>The names that are visible between two braces.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object> _names = [];

    public Scope? Outer => outer;

    public void Declare(Register register) => _names[register.Name] = register;

    public void Declare(Variable variable)
        => _names[variable.Name] = variable.Register is { } register ? register : variable;

    /// <summary>The register or variable of a name.</summary>
    public object? Find(string name)
        => _names.TryGetValue(name, out object? found) ? found : outer?.Find(name);
}
