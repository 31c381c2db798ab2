using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Compiler;

/// <summary>Compiles kernels written in C# to PTX text without a GPU, each kernel once. Methods may be called from
/// several threads; kernels are compiled one at a time.</summary>
/// <param name="cache">The cache of compiled kernels.</param>
/// <param name="version">The PTX version to compile to.</param>
internal sealed class KernelCompiler(KernelCache cache, PtxVersion version) : IDisposable
{
    /// <summary>The newest architecture that ILGPU emits as a target. The text for newer architectures is the same,
    /// and drivers run it on them.</summary>
    private const int NewestTarget = 80;

    private readonly SemaphoreSlim _compiling = new(1);
    private Context? _context;
    private bool _isDisposed;

    /// <summary>Creates a compiler to <see cref="PtxVersion.Default"/> that caches kernels in memory only.</summary>
    public KernelCompiler()
        : this(new KernelCache(folder: null), PtxVersion.Default)
    {
    }

    /// <summary>The number of kernels that were not in the cache and had to be compiled.</summary>
    public int CompilationCount { get; private set; }

    /// <inheritdoc cref="KernelCache.Problem"/>
    public string? CacheProblem => cache.Problem;

    /// <summary>Compiles a kernel.</summary>
    /// <param name="kernel">A static void method in ILGPU's explicitly grouped style. If the method or its class is
    /// generic, all type arguments are given.</param>
    /// <param name="name">The kernel's name and configuration for display.</param>
    /// <param name="architecture">The architecture to compile for, such as 80 for sm_80.</param>
    /// <param name="bounds">The number of threads in the largest block, and the number of blocks that should share a
    /// multiprocessor; the assembler limits registers accordingly.</param>
    /// <exception cref="NotSupportedException">The method has the wrong form, or uses features that kernels or the
    /// architecture lack.</exception>
    public CompiledKernel Compile(MethodInfo kernel, string name, int architecture,
        KernelSpecialization bounds = default)
    {
        if (!kernel.IsStatic || kernel.ReturnType != typeof(void) || kernel.ContainsGenericParameters)
        {
            throw new NotSupportedException($"{kernel.DeclaringType}.{kernel.Name} is not a kernel: expected a " +
                "static method that returns void, with all type arguments given.");
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
                    compiled = Load(key, kernel, name) ?? Create(key, kernel, name, architecture, bounds);
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

    /// <summary>Releases the compiler; compiled kernels stay valid.</summary>
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

    /// <summary>Waits for the lock. ILGPU compiles on threads of the pool; if threads of the pool wait here, the
    /// pool must add others. It does so for threads that wait for a task, but not for threads that wait for a
    /// lock.</summary>
    private void Enter() => _compiling.WaitAsync().GetAwaiter().GetResult();

    private static CompiledKernel Describe(string ptx, MethodInfo kernel, string name)
    {
        (string entryName, var parameters, int parameterBytes) = PtxText.ReadEntry(ptx);
        return new CompiledKernel(name, entryName, ptx, [.. parameters.Zip(kernel.GetParameters(),
            (parameter, source) => parameter with { ElementBytes = ElementBytes(source.ParameterType) })],
            parameterBytes);
    }

    private static int ElementBytes(Type parameter)
        => parameter.IsGenericType ? Marshal.SizeOf(parameter.GetGenericArguments()[0]) : 1;

    private CompiledKernel? Load(KernelKey key, MethodInfo kernel, string name) =>
        cache.Read(key) is { } ptx ? Describe(ptx, kernel, name) : null;

    private CompiledKernel Create(KernelKey key, MethodInfo kernel, string name, int architecture,
        KernelSpecialization bounds)
    {
        CompilationCount++;
        // Creating a context takes longer than reading all kernels from the cache, so it is created when first
        // needed.
        _context ??= CreateContext();
        using var backend = new PTXBackend(_context, new CudaArchitecture(architecture / 10, architecture % 10),
            new CudaInstructionSet(version.Major, version.Minor), nvvmAPI: null!);
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
        try
        {
            var compiled = (PTXCompiledKernel)backend.Compile(entry, bounds, new KernelPasses());
            string ptx = PtxText.Clean(compiled.PTXAssembly, KernelName.Entry(kernel));
            cache.Write(key, ptx);
            return Describe(ptx, kernel, name);
        }
        catch (Exception e) when (e is InternalCompilerException or NotSupportedException)
        {
            throw new NotSupportedException(
                $"Kernel '{name}' cannot be compiled for sm_{architecture}: {e.GetBaseException().Message}", e);
        }
    }
}
