using PtxEmulator.Decoding;

namespace PtxEmulator;

/// <summary>A kernel of a module.</summary>
public sealed class PtxEntry
{
    internal PtxEntry(KernelCode code, IReadOnlyList<PtxParameter> parameters)
    {
        Code = code;
        Parameters = parameters;
        ParameterBytes = parameters.Count == 0 ? 0 : parameters[^1].Offset + parameters[^1].Size;
    }

    public string Name => Code.Name;

    public IReadOnlyList<PtxParameter> Parameters { get; }

    /// <summary>The total size of the parameters.</summary>
    public int ParameterBytes { get; }

    /// <summary>The static shared memory of the kernel and of the functions that it calls.</summary>
    public int StaticSharedBytes => Code.StaticSharedBytes;

    internal KernelCode Code { get; }
}
