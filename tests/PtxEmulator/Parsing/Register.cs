namespace PtxEmulator.Parsing;

/// <summary>A declared register; two of one name in different scopes are different.</summary>
internal sealed class Register(string name, PtxType type)
{
    public string Name => name;

    public PtxType Type => type;

    public override string ToString() => name;
}
