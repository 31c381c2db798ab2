using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A kernel loaded into a context.</summary>
internal sealed class CudaKernel : IDeviceKernel
{
    private const int MaxStaticSharedBytes = 48 << 10;

    private readonly Lock _lock = new();
    private volatile int _permittedSharedBytes;

    /// <summary>Describes a loaded kernel to the driver. The context must be current.</summary>
    /// <param name="context">The context.</param>
    /// <param name="kernel">The compiled kernel.</param>
    /// <param name="module">The driver's handle of the module.</param>
    /// <param name="function">The driver's handle of the entry function.</param>
    public CudaKernel(CudaContext context, CompiledKernel kernel, nint module, nint function)
    {
        (Context, Kernel, Module, Function) = (context, kernel, module, function);
        PreferShared(dynamicSharedBytes: 0);
    }

    /// <inheritdoc/>
    public CompiledKernel Kernel { get; }

    /// <summary>The context that the kernel is loaded into.</summary>
    public CudaContext Context { get; }

    /// <summary>The driver's handle of the module.</summary>
    public nint Module { get; }

    /// <summary>The driver's handle of the entry function.</summary>
    public nint Function { get; }

    /// <summary>Raises the function's limit of dynamic shared memory if necessary. Without this the driver refuses
    /// more than 48 KiB, including what the kernel declares. The context must be current.</summary>
    public void PermitShared(int byteCount)
    {
        if (byteCount <= _permittedSharedBytes)
            return;
        lock (_lock)
        {
            if (byteCount <= _permittedSharedBytes)
                return;
            CudaError error = CudaNative.SetFunctionAttribute(Function, CudaNative.MaxDynamicSharedBytes, byteCount);
            if (error != CudaError.CUDA_SUCCESS)
            {
                Context.Fail(error, "cuFuncSetAttribute",
                    $"permitting {byteCount} bytes of dynamic shared memory for {Kernel.Name}");
            }

            PreferShared(byteCount);
            _permittedSharedBytes = byteCount;
        }
    }

    /// <summary>Asks for as much shared memory as possible at the expense of the first-level cache, if the blocks that
    /// should share a multiprocessor need more than one block may declare. The driver would otherwise choose, and may
    /// leave no room for the second block. A refusal costs only speed.</summary>
    private void PreferShared(int dynamicSharedBytes)
    {
        if (Kernel.BlockCount > 1
            && CudaNative.GetFunctionAttribute(out int sharedBytes, CudaNative.StaticSharedBytes, Function)
                == CudaError.CUDA_SUCCESS
            && (long)Kernel.BlockCount * (sharedBytes + dynamicSharedBytes) > MaxStaticSharedBytes)
        {
            _ = CudaNative.SetFunctionAttribute(Function, CudaNative.PreferredSharedCarveOut, 100);
        }
    }
}
