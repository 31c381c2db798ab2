using System.Diagnostics.CodeAnalysis;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A context of the driver: everything on a device belongs to one, and is of use in that one alone. A thread
/// has it as its current context only within a <see cref="Scope"/>, and afterwards whatever it had before, so that
/// other users of CUDA in the process are not disturbed. After an error that ends the context every use throws;
/// releasing remains possible.</summary>
internal sealed class CudaContext : IDisposable
{
    private readonly string _device;
    private readonly string _remedy;
    private readonly Action<nint> _end;
    private readonly CudaAccelerator? _accelerator;
    private nint _handle;
    private int _isDisposed;
    private volatile string? _failure;

    private CudaContext(string device, nint handle, Action<nint> end, string remedy,
        CudaAccelerator? accelerator = null)
    {
        _device = device;
        _handle = handle;
        _end = end;
        _remedy = remedy;
        _accelerator = accelerator;
    }

    /// <summary>Ends a context that nobody disposed, and releases whatever it holds.</summary>
    ~CudaContext() => End();

    /// <summary>The accelerator that it was borrowed from, if any.</summary>
    public CudaAccelerator? Accelerator => _accelerator;

    /// <summary>Releases what was created in the context, before that ends; it is current then.</summary>
    public Action? Releasing { private get; set; }

    /// <summary>Creates a context of our own.</summary>
    /// <param name="ordinal">The driver's handle of the device.</param>
    /// <param name="device">The device, for messages.</param>
    /// <exception cref="DeviceException">It cannot be had.</exception>
    public static CudaContext Create(int ordinal, string device)
    {
        string asked = Asked(ordinal, device, "creating a context");
        CudaCall.Check(CudaLibrary.Api.CreateContext(out nint handle, default, ordinal), "cuCtxCreate", asked);
        // Creation has made it current.
        CudaNative.PopContext(out _);
        return new CudaContext(device, handle, static handle => CudaLibrary.Api.DestroyContext(handle),
            "dispose of what uses it and load anew");
    }

    /// <summary>Takes part in the device's primary context, which the CUDA runtime and all that builds on it
    /// use.</summary>
    /// <inheritdoc cref="Create"/>
    public static CudaContext RetainPrimary(int ordinal, string device)
    {
        string asked = Asked(ordinal, device, "the primary context");
        CudaCall.Check(CudaNative.RetainPrimaryContext(out nint handle, ordinal), "cuDevicePrimaryCtxRetain", asked);
        return new CudaContext(device, handle, _ => CudaNative.ReleasePrimaryContext(ordinal),
            "all users of CUDA in the process share its primary context, and only a new process gets another");
    }

    /// <summary>Uses the context of an accelerator, which must not be disposed before this.</summary>
    /// <param name="accelerator">The accelerator.</param>
    /// <param name="device">The device, for messages.</param>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public static CudaContext Borrow(CudaAccelerator accelerator, string device)
    {
        ObjectDisposedException.ThrowIf(accelerator.IsDisposed, accelerator);
        return new CudaContext(device, accelerator.NativePtr, static _ => { },
            "dispose of what uses it, create another accelerator and load anew", accelerator);
    }

    /// <summary>Makes the context current for work.</summary>
    /// <exception cref="DeviceException">The context was ended by an error, or with its accelerator.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
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

    /// <summary>Makes the context current to release something; never throws.</summary>
    /// <returns>Whether there is anything left to release: what a context holds ends with it.</returns>
    public bool TryEnterToRelease(out Scope scope)
    {
        bool isCurrent = _handle != 0 && _accelerator is not { IsDisposed: true }
            && CudaNative.PushContext(_handle) == CudaError.CUDA_SUCCESS;
        scope = isCurrent ? new Scope(this) : default;
        return isCurrent;
    }

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

    private static string Asked(int ordinal, string device, string what) => CudaDevices.IsExclusive(ordinal)
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
        _end(handle);
    }

    [DoesNotReturn]
    private void ThrowEnded(string failure)
        => throw new DeviceException($"the device failed earlier and can no longer be used: {_remedy}. What " +
            $"happened: {failure}")
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
