using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A kernel loaded into a context.</summary>
/// <param name="context">The context.</param>
/// <param name="kernel">The compiled kernel.</param>
/// <param name="module">The driver's handle of the module.</param>
/// <param name="function">The driver's handle of the entry function.</param>
internal sealed class CudaKernel(CudaContext context, CompiledKernel kernel, nint module, nint function) : IDeviceKernel
{
    private readonly Lock _lock = new();
    private volatile int _permittedSharedBytes;

    /// <inheritdoc/>
    public CompiledKernel Kernel => kernel;

    /// <summary>The context that the kernel is loaded into.</summary>
    public CudaContext Context => context;

    /// <summary>The driver's handle of the module.</summary>
    public nint Module => module;

    /// <summary>The driver's handle of the entry function.</summary>
    public nint Function => function;

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
            CudaError error = CudaNative.SetFunctionAttribute(function, CudaNative.MaxDynamicSharedBytes, byteCount);
            if (error != CudaError.CUDA_SUCCESS)
            {
                context.Fail(error, "cuFuncSetAttribute",
                    $"permitting {byteCount} bytes of dynamic shared memory for {kernel.Name}");
            }

            _permittedSharedBytes = byteCount;
        }
    }
}
