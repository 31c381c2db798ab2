using CudaError = ILGPU.Runtime.Cuda.CudaError;
using CudaEventFlags = ILGPU.Runtime.Cuda.CudaEventFlags;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A page-locked buffer for one copy to or from the device, and an event that marks the end of the copy.
/// The context must be current for every call.</summary>
internal sealed unsafe class CudaStaging
{
    /// <summary>The size in bytes. A copy of this size takes much longer than its fixed cost of some microseconds.
    /// Page-locked memory is a resource of the whole machine, so the two buffers of a stream are not
    /// larger.</summary>
    public const int ByteCount = 1 << 20;

    private readonly nint _pointer;
    private readonly nint _event;
    private bool _isPending;

    /// <summary>Allocates the buffer.</summary>
    /// <exception cref="DeviceException">There is not enough memory.</exception>
    public CudaStaging(CudaContext context)
    {
        context.Check(CudaLibrary.Api.AllocateHostMemory(out _pointer, ByteCount), "cuMemAllocHost",
            $"allocating {ByteCount} bytes of page-locked memory");
        CudaError error = CudaLibrary.Api.CreateEvent(out _event, CudaEventFlags.CU_EVENT_DISABLE_TIMING);
        if (error != CudaError.CUDA_SUCCESS)
        {
            CudaLibrary.Api.FreeHostMemory(_pointer);
            context.Fail(error, "cuEventCreate", "creating an event");
        }
    }

    /// <summary>The buffer; call <see cref="Wait"/> before using it.</summary>
    public byte* Pointer => (byte*)_pointer;

    /// <summary>Marks the end of the last copy on a stream, which uses the buffer.</summary>
    public CudaError Record(nint stream)
    {
        _isPending = true;
        return CudaLibrary.Api.RecordEvent(_event, stream);
    }

    /// <summary>Waits until the last copy is complete.</summary>
    public CudaError Wait()
    {
        if (!_isPending)
            return CudaError.CUDA_SUCCESS;
        _isPending = false;
        return CudaLibrary.Api.SynchronizeEvent(_event);
    }

    /// <summary>Frees the buffer.</summary>
    public void Release()
    {
        CudaLibrary.Api.DestroyEvent(_event);
        CudaLibrary.Api.FreeHostMemory(_pointer);
    }
}
