namespace PtxEmulator;

/// <summary>A kernel of a module.</summary>
public sealed class PtxEntry
{
    internal PtxEntry(string name, IReadOnlyList<PtxParameter> parameters, int parameterBytes, int staticSharedBytes)
    {
        Name = name;
        Parameters = parameters;
        ParameterBytes = parameterBytes;
        StaticSharedBytes = staticSharedBytes;
    }

    public string Name { get; }

    public IReadOnlyList<PtxParameter> Parameters { get; }

    /// <summary>Bytes of all parameters.</summary>
    public int ParameterBytes { get; }

    /// <summary>Shared memory that the kernel and the functions it calls declare.</summary>
    public int StaticSharedBytes { get; }
}
