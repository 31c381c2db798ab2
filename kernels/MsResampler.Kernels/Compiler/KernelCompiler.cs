using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Compiler;

/// <summary>Compiles kernels written in C# to PTX text without a GPU, each kernel once. Methods may be called from
/// several threads, which compile different kernels at the same time.</summary>
/// <remarks>ILGPU compiles one kernel of a context at a time, and its text depends on what the context has compiled
/// before. A kernel therefore has a context of its own, which takes about a sixth longer.</remarks>
/// <param name="cache">The folder of compiled kernels.</param>
/// <param name="version">The PTX version to compile to.</param>
internal sealed class KernelCompiler(KernelCache cache, PtxVersion version)
{
    /// <summary>The newest architecture that ILGPU emits as a target. The text for newer architectures is the same,
    /// and drivers run it on them.</summary>
    private const int NewestTarget = 80;

    private readonly OnceTable<KernelKey, CompiledKernel> _kernels = new();
    private int _compilationCount;

    /// <summary>Creates a compiler to <see cref="PtxVersion.Default"/> that caches kernels in memory only.</summary>
    public KernelCompiler()
        : this(new KernelCache(folder: null), PtxVersion.Default)
    {
    }

    /// <summary>The number of kernels that were not in the cache and had to be compiled.</summary>
    public int CompilationCount => _compilationCount;

    /// <inheritdoc cref="KernelCache.Problem"/>
    public string? CacheProblem => cache.Problem;

    /// <summary>Compiles a kernel.</summary>
    /// <param name="kernel">A static void method in ILGPU's explicitly grouped style. If the method or its class is
    /// generic, all type arguments are given.</param>
    /// <param name="name">The kernel's name and configuration for display.</param>
    /// <param name="target">The device; a number is an architecture, such as 80 for sm_80.</param>
    /// <param name="bounds">The number of threads in the largest block, and the number of blocks that should share a
    /// multiprocessor; the assembler limits registers accordingly.</param>
    /// <exception cref="NotSupportedException">The method has the wrong form, or uses features that kernels or the
    /// architecture lack.</exception>
    /// <remarks>The text for Hopper is that of the other targets with two instructions more, and is not stored in the
    /// folder.</remarks>
    public CompiledKernel Compile(MethodInfo kernel, string name, KernelTarget target,
        KernelSpecialization bounds = default)
    {
        if (!kernel.IsStatic || kernel.ReturnType != typeof(void) || kernel.ContainsGenericParameters)
        {
            throw new NotSupportedException($"{kernel.DeclaringType}.{kernel.Name} is not a kernel: expected a " +
                "static method that returns void, with all type arguments given.");
        }

        int architecture = Math.Min(target.Architecture, NewestTarget);
        CompiledKernel compiled;
        if (target.IsHopper)
        {
            PtxVersion newer = version.CompareTo(PtxVersion.Dependencies) < 0 ? PtxVersion.Dependencies : version;
            compiled = _kernels.Get(KernelKey.Of(kernel, target, newer, bounds), _ =>
            {
                CompiledKernel other = Compile(kernel, name, architecture, bounds);
                return other with { Ptx = PtxText.WaitFirst(other.Ptx, newer) };
            });
        }
        else
        {
            var key = KernelKey.Of(kernel, architecture, version, bounds);
            compiled = _kernels.Get(key,
                _ => Load(key, kernel, name, bounds) ?? Create(key, kernel, name, architecture, bounds));
        }

        return compiled.Name == name ? compiled : compiled with { Name = name };
    }

    /// <summary>Compiles a kernel that writes its text itself.</summary>
    /// <param name="kernel">An <see cref="IWrittenKernel"/> with all type arguments.</param>
    /// <param name="name">The kernel's name and configuration for display.</param>
    /// <param name="target">The device.</param>
    /// <param name="bounds">As for the other kernels.</param>
    /// <exception cref="NotSupportedException">The target lacks instructions of the kernel.</exception>
    /// <remarks>The text is not stored in the folder: writing it takes no longer than reading it.</remarks>
    public CompiledKernel CompileWritten(Type kernel, string name, KernelTarget target, KernelSpecialization bounds)
    {
        if (!target.IsHopper)
        {
            throw new NotSupportedException(
                $"Kernel '{name}' needs {KernelTarget.Hopper}; it is compiled for {target}.");
        }

        CompiledKernel compiled = _kernels.Get(KernelKey.Of(kernel, target, bounds), _ =>
        {
            PtxWriter writer = new(PtxTarget.Hopper, KernelName.Entry(kernel), bounds.MaxNumThreadsPerGroup!.Value,
                bounds.MinNumGroupsPerMultiprocessor!.Value);
            kernel.GetMethod(nameof(IWrittenKernel.Write))!.CreateDelegate<Action<PtxWriter>>()(writer);
            string ptx = writer.Finish();
            (string entryName, IReadOnlyList<KernelParameter> parameters, int parameterBytes) = PtxText.ReadEntry(ptx);
            return new CompiledKernel(name, entryName, ptx, [.. parameters.Zip(writer.ElementBytes,
                (parameter, elementBytes) => parameter with { ElementBytes = elementBytes })], parameterBytes,
                bounds.MinNumGroupsPerMultiprocessor.Value);
        });
        return compiled.Name == name ? compiled : compiled with { Name = name };
    }

    private static Context CreateContext() => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O1).PTXBackend(PTXBackendMode.Enhanced).Verify().EnableAlgorithms();
        PtxInstructions.Register(builder);
    });

    private static CompiledKernel Describe(string ptx, MethodInfo kernel, string name, KernelSpecialization bounds)
    {
        (string entryName, var parameters, int parameterBytes) = PtxText.ReadEntry(ptx);
        return new CompiledKernel(name, entryName, ptx, [.. parameters.Zip(kernel.GetParameters(),
            (parameter, source) => parameter with { ElementBytes = ElementBytes(source.ParameterType) })],
            parameterBytes, bounds.MinNumGroupsPerMultiprocessor ?? 1);
    }

    private static int ElementBytes(Type parameter)
        => parameter.IsGenericType ? Marshal.SizeOf(parameter.GetGenericArguments()[0]) : 1;

    private CompiledKernel? Load(KernelKey key, MethodInfo kernel, string name, KernelSpecialization bounds) =>
        cache.Read(key) is { } ptx ? Describe(ptx, kernel, name, bounds) : null;

    private CompiledKernel Create(KernelKey key, MethodInfo kernel, string name, int architecture,
        KernelSpecialization bounds)
    {
        Interlocked.Increment(ref _compilationCount);
        string ptx = Emit(kernel, name, architecture, bounds);
        cache.Write(key, ptx);
        return Describe(ptx, kernel, name, bounds);
    }

    private string Emit(MethodInfo kernel, string name, int architecture, KernelSpecialization bounds)
    {
        using Context context = CreateContext();
        using var backend = new PTXBackend(context, new CudaArchitecture(architecture / 10, architecture % 10),
            new CudaInstructionSet(version.Major, version.Minor), nvvmAPI: null!);
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
        try
        {
            var compiled = (PTXCompiledKernel)backend.Compile(entry, bounds, new KernelPasses());
            return PtxText.Clean(compiled.PTXAssembly, KernelName.Entry(kernel));
        }
        catch (Exception e) when (e is InternalCompilerException or NotSupportedException)
        {
            throw new NotSupportedException(
                $"Kernel '{name}' cannot be compiled for sm_{architecture}: {e.GetBaseException().Message}", e);
        }
    }
}
