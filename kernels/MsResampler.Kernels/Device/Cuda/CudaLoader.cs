using System.Text;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Loads kernels into a context. The cache may have their machine code; otherwise the driver compiles the PTX,
/// and the machine code is cached. Members may be called from several threads.</summary>
/// <param name="context">The context.</param>
/// <param name="cache">The cache of machine code; null to compile every time.</param>
/// <param name="architecture">The architecture of the device.</param>
/// <param name="driverVersion">The version of the driver.</param>
internal sealed class CudaLoader(CudaContext context, KernelCache? cache, int architecture, string driverVersion)
{
    /// <summary>Loads a kernel. The context must be current.</summary>
    /// <exception cref="DeviceException">The kernel cannot be loaded. A later call tries again.</exception>
    public CudaKernel Load(CompiledKernel kernel)
        => (cache is { Folder: not null } ? LoadCached(kernel, cache) ?? LoadLinked(kernel, cache) : null)
            ?? LoadText(kernel);

    /// <summary>Loads machine code that this driver has compiled before, or else that an assembler has made.</summary>
    private CudaKernel? LoadCached(CompiledKernel kernel, KernelCache cache)
    {
        foreach (string? compiler in (ReadOnlySpan<string?>)[driverVersion, null])
        {
            if (cache.ReadBytes(KernelKey.OfMachineCode(kernel.Ptx, architecture, compiler)) is { } code
                && TryLoad(kernel, code, out _) is { } loaded)
            {
                return loaded;
            }
        }

        return null;
    }

    /// <summary>Lets the driver compile the text to machine code, which is loaded and cached. If that fails, loading
    /// the text itself may succeed, or say what is wrong.</summary>
    private CudaKernel? LoadLinked(CompiledKernel kernel, KernelCache cache)
    {
        CudaJit jit = CudaJit.Compile(kernel.Ptx);
        if (CudaCall.EndsContext(jit.Error))
            context.Fail(jit.Error, jit.Call, $"compiling the PTX of {kernel.Name}");
        if (jit.Error != CudaError.CUDA_SUCCESS || TryLoad(kernel, jit.Cubin, out _) is not { } loaded)
            return null;
        cache.WriteBytes(KernelKey.OfMachineCode(kernel.Ptx, architecture, driverVersion), jit.Cubin);
        return loaded;
    }

    private CudaKernel LoadText(CompiledKernel kernel)
    {
        CudaKernel? loaded = TryLoad(kernel, Encoding.UTF8.GetBytes(kernel.Ptx + "\0"), out Failure failure);
        if (loaded is null)
            context.Fail(failure.Error, failure.Call, failure.Operation);
        return loaded;
    }

    /// <summary>Loads machine code or text.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="image">The code, or the text followed by a zero byte.</param>
    /// <param name="failure">Receives what failed if the result is null.</param>
    /// <exception cref="DeviceException">An error ended the context.</exception>
    private CudaKernel? TryLoad(CompiledKernel kernel, byte[] image, out Failure failure)
    {
        CudaError error = CudaJit.LoadModule(image, out nint module, out string log);
        if (error != CudaError.CUDA_SUCCESS)
        {
            failure = new Failure(error, "cuModuleLoadDataEx", $"loading the PTX of {kernel.Name}" +
                (log.Length == 0 ? "" : $"; message of the driver: \"{log}\""));
        }
        else
        {
            error = CudaLibrary.Api.GetModuleFunction(out nint function, module, kernel.EntryName);
            if (error == CudaError.CUDA_SUCCESS)
            {
                failure = default;
                return new CudaKernel(context, kernel, module, function);
            }

            CudaLibrary.Api.DestroyModule(module);
            failure = new Failure(error, "cuModuleGetFunction",
                $"finding {kernel.EntryName} in the PTX of {kernel.Name}");
        }

        if (CudaCall.EndsContext(error))
            context.Fail(failure.Error, failure.Call, failure.Operation);
        return null;
    }

    private readonly record struct Failure(CudaError Error, string Call, string Operation);
}
