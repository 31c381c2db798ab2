using CudaError = ILGPU.Runtime.Cuda.CudaError;
using CudaEventFlags = ILGPU.Runtime.Cuda.CudaEventFlags;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Measures the time between two events of a stream.</summary>
internal sealed class CudaTimer : IDeviceTimer, ICudaResource
{
    private readonly CudaStream _stream;
    private readonly nint _start;
    private readonly nint _stop;

    /// <summary>Creates the events. The context must be current.</summary>
    public CudaTimer(CudaStream stream)
    {
        _stream = stream;
        _start = CreateEvent();
        try
        {
            _stop = CreateEvent();
        }
        catch
        {
            CudaLibrary.Api.DestroyEvent(_start);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Start() => _stream.Record(_start, "starting a timer");

    /// <inheritdoc/>
    public void Stop() => _stream.Record(_stop, "stopping a timer");

    /// <inheritdoc/>
    public double GetMilliseconds()
    {
        using CudaContext.Scope scope = _stream.Enter();
        _stream.Context.Check(CudaLibrary.Api.SynchronizeEvent(_stop), "cuEventSynchronize", "waiting for a timer");
        _stream.Context.Check(CudaLibrary.Api.ElapsedTime(out float milliseconds, _start, _stop), "cuEventElapsedTime",
            "reading a timer, which must have been started and stopped");
        return milliseconds;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Destroy(this);

    /// <inheritdoc/>
    void ICudaResource.Destroy()
    {
        CudaLibrary.Api.DestroyEvent(_start);
        CudaLibrary.Api.DestroyEvent(_stop);
    }

    private nint CreateEvent()
    {
        CudaError error = CudaLibrary.Api.CreateEvent(out nint created, CudaEventFlags.CU_EVENT_DEFAULT);
        _stream.Context.Check(error, "cuEventCreate", "creating a timer");
        return created;
    }
}
