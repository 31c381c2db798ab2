using System.Globalization;

namespace MsResampler.Kernels.Compiler;

/// <summary>A kernel as PTX text for one architecture and all newer ones.</summary>
/// <param name="Name">The kernel's name and configuration for display.</param>
/// <param name="EntryName">The name of the entry function in the text.</param>
/// <param name="Ptx">The text.</param>
/// <param name="Parameters">The parameters of the entry function in order. A view is one parameter of two 8-byte
/// words: address and element count.</param>
/// <param name="ParameterBytes">The size of all parameters in bytes.</param>
/// <param name="BlockCount">The number of blocks that should share a multiprocessor.</param>
internal sealed record CompiledKernel(string Name, string EntryName, string Ptx,
    IReadOnlyList<KernelParameter> Parameters, int ParameterBytes, int BlockCount = 1)
{
    /// <summary>The architecture that the text names, such as sm_80 or sm_90a.</summary>
    public string Target => PtxText.ReadTarget(Ptx);

    /// <summary>Whether the kernel waits for the kernels before it, so that it may be launched before they have
    /// ended.</summary>
    public bool WaitsForDependencies => Ptx.Contains(PtxText.Wait, StringComparison.Ordinal);

    /// <summary>The target of machine code for a device. A text for an architecture with all its own features runs
    /// only there.</summary>
    /// <param name="architecture">The device's architecture, such as 86 for sm_86.</param>
    public string MachineTarget(int architecture)
        => Target is { } target && target.EndsWith('a') ? target
            : string.Create(CultureInfo.InvariantCulture, $"sm_{architecture}");
}

/// <summary>A parameter of an entry function.</summary>
/// <param name="Offset">The offset in bytes.</param>
/// <param name="Bytes">The size in bytes.</param>
/// <param name="ElementBytes">The size of an element in bytes if the parameter is a view.</param>
internal readonly record struct KernelParameter(int Offset, int Bytes, int ElementBytes = 1);
