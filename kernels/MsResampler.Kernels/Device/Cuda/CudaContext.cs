using System.Diagnostics.CodeAnalysis;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A context of the driver. Every object on a device belongs to one context and can be used only in it. A
/// context is current on a thread only within a <see cref="Scope"/>; afterwards the thread has its former context
/// again, so that other users of CUDA in the process are not affected. After an error that ends the context every
/// use throws, but objects can still be released.</summary>
internal sealed class CudaContext : IDisposable
{
    private readonly string _device;
    private readonly string _remedy;
    private readonly Action<nint> _destroy;
    private readonly CudaAccelerator? _accelerator;
    private nint _handle;
    private int _isDisposed;
    private volatile string? _failure;

    private CudaContext(string device, nint handle, Action<nint> destroy, string remedy,
        CudaAccelerator? accelerator = null)
    {
        _device = device;
        _handle = handle;
        _destroy = destroy;
        _remedy = remedy;
        _accelerator = accelerator;
    }

    /// <summary>Ends a context that was not disposed, and releases its objects.</summary>
    ~CudaContext() => End();

    /// <summary>The accelerator whose context this is, or null.</summary>
    public CudaAccelerator? Accelerator => _accelerator;

    /// <summary>Releases the objects created in the context, just before the context ends. The context is current
    /// during the call.</summary>
    public Action? Releasing { private get; set; }

    /// <summary>Creates a context.</summary>
    /// <param name="ordinal">The driver's handle of the device.</param>
    /// <param name="device">The device, for messages.</param>
    /// <exception cref="DeviceException">The context cannot be created.</exception>
    public static CudaContext Create(int ordinal, string device)
    {
        string operation = Operation(ordinal, device, "creating a context");
        CudaCall.Check(CudaLibrary.Api.CreateContext(out nint handle, default, ordinal), "cuCtxCreate", operation);
        // Creating a context makes it current.
        CudaNative.PopContext(out _);
        return new CudaContext(device, handle, static handle => CudaLibrary.Api.DestroyContext(handle),
            "dispose the models on it and load them again");
    }

    /// <summary>Retains the primary context of the device, which the CUDA runtime and all libraries based on it
    /// use.</summary>
    /// <inheritdoc cref="Create"/>
    public static CudaContext RetainPrimary(int ordinal, string device)
    {
        string operation = Operation(ordinal, device, "the primary context");
        CudaCall.Check(CudaNative.RetainPrimaryContext(out nint handle, ordinal), "cuDevicePrimaryCtxRetain",
            operation);
        return new CudaContext(device, handle, _ => CudaNative.ReleasePrimaryContext(ordinal),
            "its primary context is shared by the whole process; restart the process");
    }

    /// <summary>Uses the context of an accelerator. The accelerator must outlive this object.</summary>
    /// <param name="accelerator">The accelerator.</param>
    /// <param name="device">The device, for messages.</param>
    /// <exception cref="ObjectDisposedException">The accelerator was disposed.</exception>
    public static CudaContext Borrow(CudaAccelerator accelerator, string device)
    {
        ObjectDisposedException.ThrowIf(accelerator.IsDisposed, accelerator);
        return new CudaContext(device, accelerator.NativePtr, static _ => { },
            "dispose the models on it, create another accelerator and load them again", accelerator);
    }

    /// <summary>Makes the context current for work.</summary>
    /// <exception cref="DeviceException">The context was lost by an error, or its accelerator was
    /// disposed.</exception>
    /// <exception cref="ObjectDisposedException">This object was disposed.</exception>
    public Scope Enter()
    {
        nint handle = _handle;
        ObjectDisposedException.ThrowIf(handle == 0, typeof(CudaDevice));
        if (_failure is { } failure)
            ThrowEnded(failure);
        if (_accelerator is { IsDisposed: true })
            ThrowEnded("the ILGPU accelerator whose context it uses was disposed");
        Check(CudaNative.PushContext(handle), "cuCtxPushCurrent", "using the device");
        return new Scope(this);
    }

    /// <summary>Makes the context current to release an object; never throws.</summary>
    /// <returns>Whether the context still exists; if not, its objects ended with it.</returns>
    public bool TryEnterToRelease(out Scope scope)
    {
        bool isCurrent = _handle != 0 && _accelerator is not { IsDisposed: true }
            && CudaNative.PushContext(_handle) == CudaError.CUDA_SUCCESS;
        scope = isCurrent ? new Scope(this) : default;
        return isCurrent;
    }

    /// <summary>Throws if a call failed.</summary>
    /// <exception cref="DeviceException">The call failed.</exception>
    public void Check(CudaError error, string call, string operation)
    {
        if (error != CudaError.CUDA_SUCCESS)
            Fail(error, call, operation);
    }

    /// <summary>Reports a failed call.</summary>
    /// <exception cref="DeviceException">Always.</exception>
    [DoesNotReturn]
    public void Fail(CudaError error, string call, string operation)
    {
        string message = CudaCall.Describe(call, error, $"{_device}: {operation}");
        if (!CudaCall.EndsContext(error))
            throw new DeviceException(message);
        _failure ??= message;
        throw new DeviceException($"{message}; the device can no longer be used: {_remedy}")
        {
            IsDeviceLost = true,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        End();
        GC.SuppressFinalize(this);
    }

    private static string Operation(int ordinal, string device, string what) => CudaDevices.IsExclusive(ordinal)
        ? $"{device}: {what} (the device is in exclusive mode; another process may have it)"
        : $"{device}: {what}";

    private void End()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        if (TryEnterToRelease(out Scope scope))
        {
            using (scope)
                Releasing?.Invoke();
        }

        nint handle = _handle;
        _handle = 0;
        _destroy(handle);
    }

    [DoesNotReturn]
    private void ThrowEnded(string failure)
        => throw new DeviceException($"the device failed earlier and can no longer be used: {_remedy}. The " +
            $"first error was: {failure}")
        {
            IsDeviceLost = true,
        };

    /// <summary>The period in which the context is current.</summary>
    internal readonly ref struct Scope(CudaContext? context)
    {
        /// <summary>Restores the former context of the thread.</summary>
        public void Dispose()
        {
            if (context is null)
                return;
            CudaNative.PopContext(out _);
            GC.KeepAlive(context);
        }
    }
}
