using System.Reflection;
using ILGPU.Runtime;
using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Compiler;

/// <summary>A kernel in one configuration.</summary>
/// <param name="Kernel">The class with the kernel method <see cref="KernelName.Method"/>, or an
/// <see cref="IWrittenKernel"/>; its type arguments are the configuration.</param>
/// <param name="BlockSize">The number of threads in its largest block.</param>
/// <param name="BlockCount">The number of blocks that should share a multiprocessor; registers are limited
/// accordingly.</param>
/// <param name="MinArchitecture">The oldest architecture that has its instructions.</param>
internal sealed record KernelVariant(Type Kernel, int BlockSize, int BlockCount, int MinArchitecture = 60)
{
    /// <summary>The name for display, such as <c>GemmTiled GemmTile64 LinearEpilogue</c>.</summary>
    public string Name { get; } = KernelName.Display(Kernel);

    /// <summary>The dynamic shared memory of a block, in addition to what the kernel declares.</summary>
    public int SharedBytes { get; init; }

    /// <summary>The kernel method.</summary>
    /// <exception cref="InvalidOperationException">The kernel writes its text itself.</exception>
    public MethodInfo Entry => Kernel.GetMethod(KernelName.Method, BindingFlags.Public | BindingFlags.Static)
        ?? throw new InvalidOperationException($"{Name} has no method {KernelName.Method}");

    /// <summary>Whether the kernel writes its text itself, for Hopper only.</summary>
    public bool IsWritten { get; } = Kernel.IsAssignableTo(typeof(IWrittenKernel));

    /// <summary>Whether a device has its instructions.</summary>
    public bool RunsOn(KernelTarget target)
        => IsWritten ? target.IsHopper : target.Architecture >= MinArchitecture;

    /// <summary>Compiles the kernel.</summary>
    /// <param name="compiler">The compiler.</param>
    /// <param name="target">The device; a number is an architecture, such as 80 for sm_80.</param>
    public CompiledKernel Compile(KernelCompiler compiler, KernelTarget target)
    {
        KernelSpecialization bounds = new(BlockSize, BlockCount);
        return IsWritten ? compiler.CompileWritten(Kernel, Name, target, bounds)
            : compiler.Compile(Entry, Name, target, bounds);
    }

    public override string ToString() => Name;
}
