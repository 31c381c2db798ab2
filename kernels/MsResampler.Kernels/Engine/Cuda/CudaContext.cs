using System.Diagnostics.CodeAnalysis;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Engine.Cuda;

/// <summary>A context of the driver: everything on a device belongs to one. A thread has it as its current context only
/// within a <see cref="Scope"/>, and afterwards whatever it had before, so that other users of CUDA in the process
/// are not disturbed. After an error that ends the context every use throws; releasing remains possible.</summary>
internal sealed class CudaContext : IDisposable
{
    private readonly string _device;
    private nint _handle;
    private volatile string? _failure;

    /// <summary>Creates a context.</summary>
    /// <param name="ordinal">The driver's handle of the device.</param>
    /// <param name="device">The device, for messages.</param>
    /// <param name="asked">What the message says was asked if that fails.</param>
    public CudaContext(int ordinal, string device, string asked)
    {
        _device = device;
        CudaCall.Check(CudaLibrary.Api.CreateContext(out _handle, default, ordinal), "cuCtxCreate",
            $"{device}: {asked}");
        // Creation has made it current.
        CudaNative.PopContext(out _);
    }

    /// <summary>Destroys a context that nobody disposed, and with it whatever it holds.</summary>
    ~CudaContext() => Destroy();

    /// <summary>Makes the context current for work.</summary>
    /// <exception cref="DeviceException">The context was ended by an error.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public Scope Enter()
    {
        nint handle = _handle;
        ObjectDisposedException.ThrowIf(handle == 0, typeof(CudaDevice));
        if (_failure is { } failure)
            ThrowEnded(failure);
        Check(CudaNative.PushContext(handle), "cuCtxPushCurrent", "using the device");
        return new Scope(this);
    }

    /// <summary>Makes the context current to release something; never throws.</summary>
    public Scope EnterToRelease()
        => _handle != 0 && CudaNative.PushContext(_handle) == CudaError.CUDA_SUCCESS ? new Scope(this) : default;

    /// <summary>Fails unless a call succeeded.</summary>
    /// <exception cref="DeviceException">It did not.</exception>
    public void Check(CudaError error, string call, string asked)
    {
        if (error != CudaError.CUDA_SUCCESS)
            Fail(error, call, asked);
    }

    /// <summary>Reports a failed call.</summary>
    /// <exception cref="DeviceException">Always.</exception>
    [DoesNotReturn]
    public void Fail(CudaError error, string call, string asked)
    {
        string message = CudaCall.Describe(call, error, $"{_device}: {asked}");
        if (!CudaCall.EndsContext(error))
            throw new DeviceException(message);
        _failure ??= message;
        throw new DeviceException($"{message}; the device can no longer be used: dispose of what uses it and load anew")
        {
            IsDeviceLost = true,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Destroy();
        GC.SuppressFinalize(this);
    }

    private void Destroy()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
            CudaLibrary.Api.DestroyContext(handle);
    }

    [DoesNotReturn]
    private static void ThrowEnded(string failure)
        => throw new DeviceException("the device failed earlier and can no longer be used: dispose of what uses it " +
            $"and load anew. What happened: {failure}")
        {
            IsDeviceLost = true,
        };

    /// <summary>The time during which the context is current.</summary>
    internal readonly ref struct Scope(CudaContext? context)
    {
        /// <summary>Gives the thread its former context back.</summary>
        public void Dispose()
        {
            if (context is null)
                return;
            CudaNative.PopContext(out _);
            GC.KeepAlive(context);
        }
    }
}
