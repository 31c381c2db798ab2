namespace PtxEmulator.Parsing;

/// <summary>A declared register. Two registers with the same name in different scopes are distinct.</summary>
internal sealed class Register(string name, PtxType type)
{
    public string Name => name;

    public PtxType Type => type;

    public override string ToString() => name;
}
