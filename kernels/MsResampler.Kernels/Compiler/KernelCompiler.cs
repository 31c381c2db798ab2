using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Compiler;

/// <summary>Compiles kernels written in C# to PTX text, without a GPU, each once. Methods may be called from many
/// threads; kernels are compiled one after another.</summary>
/// <param name="cache">Where compiled kernels are kept.</param>
/// <param name="version">The PTX version to compile to.</param>
internal sealed class KernelCompiler(KernelCache cache, PtxVersion version) : IDisposable
{
    /// <summary>The newest architecture that ILGPU names as a target; the text for newer ones is the same, and runs on
    /// them.</summary>
    private const int NewestTarget = 80;

    private readonly SemaphoreSlim _compiling = new(1);
    private Context? _context;
    private bool _isDisposed;

    /// <summary>Creates a compiler to <see cref="PtxVersion.Default"/> that keeps its kernels in memory.</summary>
    public KernelCompiler()
        : this(new KernelCache(folder: null), PtxVersion.Default)
    {
    }

    /// <summary>How many kernels were compiled because the cache did not have them.</summary>
    public int CompilationCount { get; private set; }

    /// <inheritdoc cref="KernelCache.Problem"/>
    public string? CacheProblem => cache.Problem;

    /// <summary>Compiles a kernel.</summary>
    /// <param name="kernel">A static method in ILGPU's explicitly grouped style, returning nothing; with type arguments
    /// if it or its class is generic.</param>
    /// <param name="name">The kernel's name and configuration, for people.</param>
    /// <param name="architecture">The architecture to compile for, such as 80 for sm_80.</param>
    /// <param name="bounds">The threads of its largest block and the blocks that should share a multiprocessor; the
    /// assembler divides the registers by them.</param>
    /// <exception cref="NotSupportedException">The method is no kernel, or uses what kernels cannot or what the
    /// architecture lacks.</exception>
    public CompiledKernel Compile(MethodInfo kernel, string name, int architecture,
        KernelSpecialization bounds = default)
    {
        if (!kernel.IsStatic || kernel.ReturnType != typeof(void) || kernel.ContainsGenericParameters)
        {
            throw new NotSupportedException($"{kernel.DeclaringType}.{kernel.Name} is no kernel: expected a static " +
                "method that returns nothing, with all type arguments given.");
        }

        architecture = Math.Min(architecture, NewestTarget);
        var key = KernelKey.Of(kernel, architecture, version, bounds);
        if (!cache.TryGet(key, out CompiledKernel? compiled))
        {
            Enter();
            try
            {
                if (!cache.TryGet(key, out compiled))
                {
                    compiled = Load(key, name) ?? Create(key, kernel, name, architecture, bounds);
                    cache.Add(key, compiled);
                }
            }
            finally
            {
                _compiling.Release();
            }
        }

        return compiled.Name == name ? compiled : compiled with { Name = name };
    }

    /// <summary>Frees the compiler; compiled kernels stay valid.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
            return;
        Enter();
        _context?.Dispose();
        _compiling.Dispose();
    }

    private static Context CreateContext() => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O1).PTXBackend(PTXBackendMode.Enhanced).Verify().EnableAlgorithms();
        PtxInstructions.Register(builder);
    });

    /// <summary>ILGPU compiles on threads of the pool. If those wait here, the pool must notice and add others, which
    /// it does for threads that wait for a task, but not for a lock.</summary>
    private void Enter() => _compiling.WaitAsync().GetAwaiter().GetResult();

    private static CompiledKernel Describe(string ptx, string name)
    {
        (string entryName, var parameters, int parameterBytes) = PtxText.ReadEntry(ptx);
        return new CompiledKernel(name, entryName, ptx, parameters, parameterBytes);
    }

    private CompiledKernel? Load(KernelKey key, string name) =>
        cache.Read(key) is { } ptx ? Describe(ptx, name) : null;

    private CompiledKernel Create(KernelKey key, MethodInfo kernel, string name, int architecture,
        KernelSpecialization bounds)
    {
        CompilationCount++;
        // Creating a context takes longer than reading all kernels from the cache, so it waits until it is needed.
        _context ??= CreateContext();
        using var backend = new PTXBackend(_context, new CudaArchitecture(architecture / 10, architecture % 10),
            new CudaInstructionSet(version.Major, version.Minor), nvvmAPI: null!);
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
        try
        {
            var compiled = (PTXCompiledKernel)backend.Compile(entry, bounds, new KernelPasses());
            string ptx = PtxText.Clean(compiled.PTXAssembly);
            cache.Write(key, ptx);
            return Describe(ptx, name);
        }
        catch (Exception e) when (e is InternalCompilerException or NotSupportedException)
        {
            throw new NotSupportedException(
                $"Kernel '{name}' cannot be compiled for sm_{architecture}: {e.GetBaseException().Message}", e);
        }
    }
}
