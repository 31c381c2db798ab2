using System.Reflection;
using ILGPU.Runtime;

namespace MsResampler.Kernels.Compiler;

/// <summary>A kernel in one configuration.</summary>
/// <param name="Kernel">The class whose method <c>Run</c> it is, with its configuration as type arguments.</param>
/// <param name="GroupSize">Threads of its largest block.</param>
/// <param name="BlockCount">Blocks that should share a multiprocessor: registers are limited so that they fit.</param>
/// <param name="MinArchitecture">The oldest architecture that has its instructions.</param>
internal sealed record KernelVariant(Type Kernel, int GroupSize, int BlockCount, int MinArchitecture = 60)
{
    /// <summary>For people, such as <c>GemmTiled GemmTile64 LinearEpilogue</c>.</summary>
    public string Name { get; } = string.Join(' ',
        Kernel.GetGenericArguments().Select(type => type.Name.Split('`')[0]).Prepend(Kernel.Name.Split('`')[0]));

    /// <summary>The kernel's method.</summary>
    public MethodInfo Entry => Kernel.GetMethod("Run", BindingFlags.Public | BindingFlags.Static)!;

    /// <summary>Compiles it.</summary>
    /// <param name="compiler">The compiler.</param>
    /// <param name="architecture">For which architecture, such as 80 for sm_80.</param>
    public CompiledKernel Compile(KernelCompiler compiler, int architecture)
        => compiler.Compile(Entry, Name, architecture, new KernelSpecialization(GroupSize, BlockCount));

    public override string ToString() => Name;
}
