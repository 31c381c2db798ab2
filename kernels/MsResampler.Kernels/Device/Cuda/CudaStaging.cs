using CudaError = ILGPU.Runtime.Cuda.CudaError;
using CudaEventFlags = ILGPU.Runtime.Cuda.CudaEventFlags;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A page-locked buffer on its way to or from the device, and the event that says when it has arrived. The
/// context must be current for every call.</summary>
internal sealed unsafe class CudaStaging
{
    /// <summary>Long enough that a copy's fixed cost, some microseconds, is little beside its transfer; short enough that
    /// a stream's two buffers are no burden, since page-locked memory is taken from the whole machine.</summary>
    public const int ByteCount = 1 << 20;

    private readonly nint _pointer;
    private readonly nint _event;
    private bool _isUnderWay;

    /// <summary>Allocates the buffer.</summary>
    /// <exception cref="DeviceException">There is not enough memory.</exception>
    public CudaStaging(CudaContext context)
    {
        context.Check(CudaLibrary.Api.AllocateHostMemory(out _pointer, ByteCount), "cuMemAllocHost",
            $"{ByteCount} bytes of page-locked memory");
        CudaError error = CudaLibrary.Api.CreateEvent(out _event, CudaEventFlags.CU_EVENT_DISABLE_TIMING);
        if (error != CudaError.CUDA_SUCCESS)
        {
            CudaLibrary.Api.FreeHostMemory(_pointer);
            context.Fail(error, "cuEventCreate", "creating an event");
        }
    }

    /// <summary>The buffer.</summary>
    public void* Pointer => (void*)_pointer;

    /// <summary>The buffer's content; the copy under way must have been waited for.</summary>
    public Span<byte> Bytes => new(Pointer, ByteCount);

    /// <summary>Notes that the stream's last copy uses the buffer.</summary>
    public CudaError Record(nint stream)
    {
        _isUnderWay = true;
        return CudaLibrary.Api.RecordEvent(_event, stream);
    }

    /// <summary>Waits until the copy under way, if any, is done.</summary>
    public CudaError Wait()
    {
        if (!_isUnderWay)
            return CudaError.CUDA_SUCCESS;
        _isUnderWay = false;
        return CudaLibrary.Api.SynchronizeEvent(_event);
    }

    /// <summary>Frees the buffer.</summary>
    public void Release()
    {
        CudaLibrary.Api.DestroyEvent(_event);
        CudaLibrary.Api.FreeHostMemory(_pointer);
    }
}
