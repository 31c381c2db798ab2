using System.Reflection;
using ILGPU.Runtime;

namespace MsResampler.Kernels.Compiler;

/// <summary>A kernel in one configuration.</summary>
/// <param name="Kernel">The class with the kernel method <see cref="KernelName.Method"/>; its type arguments are
/// the configuration.</param>
/// <param name="BlockSize">The number of threads in its largest block.</param>
/// <param name="BlockCount">The number of blocks that should share a multiprocessor; registers are limited
/// accordingly.</param>
/// <param name="MinArchitecture">The oldest architecture that has its instructions.</param>
internal sealed record KernelVariant(Type Kernel, int BlockSize, int BlockCount, int MinArchitecture = 60)
{
    /// <summary>The name for display, such as <c>GemmTiled GemmTile64 LinearEpilogue</c>.</summary>
    public string Name { get; } = KernelName.Display(MethodOf(Kernel));

    /// <summary>The kernel method.</summary>
    public MethodInfo Entry => MethodOf(Kernel);

    /// <summary>Compiles the kernel.</summary>
    /// <param name="compiler">The compiler.</param>
    /// <param name="architecture">The architecture, such as 80 for sm_80.</param>
    public CompiledKernel Compile(KernelCompiler compiler, int architecture)
        => compiler.Compile(Entry, Name, architecture, new KernelSpecialization(BlockSize, BlockCount));

    public override string ToString() => Name;

    private static MethodInfo MethodOf(Type kernel)
        => kernel.GetMethod(KernelName.Method, BindingFlags.Public | BindingFlags.Static)!;
}
