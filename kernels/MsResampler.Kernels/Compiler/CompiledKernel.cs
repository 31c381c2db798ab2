namespace MsResampler.Kernels.Compiler;

/// <summary>A kernel as PTX text, for one architecture and everything newer.</summary>
/// <param name="Name">The kernel's name and configuration, for people.</param>
/// <param name="EntryName">The entry function's name in the text.</param>
/// <param name="Ptx">The text.</param>
/// <param name="Parameters">The entry's parameters in order. A view is one parameter of two 8-byte words, address and
/// element count.</param>
/// <param name="ParameterBytes">Bytes of all parameters.</param>
internal sealed record CompiledKernel(string Name, string EntryName, string Ptx,
    IReadOnlyList<KernelParameter> Parameters, int ParameterBytes);

/// <summary>One parameter of an entry function.</summary>
/// <param name="Offset">Bytes before it.</param>
/// <param name="Bytes">Its size.</param>
internal readonly record struct KernelParameter(int Offset, int Bytes);
