using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Ptx;
using CompiledKernel = MsResampler.Kernels.Engine.CompiledKernel;

namespace MsResampler.Kernels.Compiler;

/// <summary>Compiles kernels written in C# to PTX text, without a GPU. Methods may be called from many threads; kernels
/// are compiled one after another.</summary>
internal sealed class KernelCompiler : IDisposable
{
    private readonly PtxVersion _version;
    private readonly Lock _compiling = new();
    private Context? _context;

    /// <summary>Creates a compiler to <see cref="PtxVersion.Default"/>.</summary>
    public KernelCompiler()
        : this(PtxVersion.Default)
    {
    }

    /// <summary>Creates a compiler to one PTX version.</summary>
    public KernelCompiler(PtxVersion version) => _version = version;

    /// <summary>Compiles a kernel.</summary>
    /// <param name="kernel">A static method in ILGPU's explicitly grouped style, returning nothing; with type arguments
    /// if it or its class is generic.</param>
    /// <param name="name">The kernel's name and configuration, for people.</param>
    /// <param name="architecture">The architecture to compile for, such as 80 for sm_80.</param>
    /// <param name="bounds">The threads of its largest block and the blocks that should share a multiprocessor; the
    /// assembler divides the registers by them.</param>
    /// <exception cref="NotSupportedException">The method is no kernel, or uses what kernels cannot.</exception>
    public CompiledKernel Compile(MethodInfo kernel, string name, int architecture,
        KernelSpecialization bounds = default)
    {
        if (!kernel.IsStatic || kernel.ReturnType != typeof(void) || kernel.ContainsGenericParameters)
        {
            throw new NotSupportedException($"{kernel.DeclaringType}.{kernel.Name} is no kernel: expected a static " +
                "method that returns nothing, with all type arguments given.");
        }

        lock (_compiling)
        {
            _context ??= CreateContext();
            string ptx = Translate(_context, kernel, architecture, bounds);
            (string entryName, var parameters, int parameterBytes) = PtxEntry.Read(ptx);
            return new CompiledKernel(name, entryName, ptx, parameters, parameterBytes);
        }
    }

    public void Dispose()
    {
        lock (_compiling)
        {
            _context?.Dispose();
            _context = null;
        }
    }

    private static Context CreateContext() => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O1).PTXBackend(PTXBackendMode.Enhanced).Verify().EnableAlgorithms();
        PtxInstructions.Register(builder);
    });

    private string Translate(Context context, MethodInfo kernel, int architecture, KernelSpecialization bounds)
    {
        using var backend = new PTXBackend(context, new CudaArchitecture(architecture / 10, architecture % 10),
            new CudaInstructionSet(_version.Major, _version.Minor), nvvmAPI: null!);
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
        return ((PTXCompiledKernel)backend.Compile(entry, bounds, new KernelPasses())).PTXAssembly;
    }
}
