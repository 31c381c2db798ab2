using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A device of the CUDA driver, in one of its contexts.</summary>
/// <remarks>The NULL stream is never used, so that this device neither waits for other users in the process nor
/// delays them. Disposing the device releases all objects created on it, which must no longer be in use; disposing
/// one of them later has no effect.</remarks>
internal sealed class CudaDevice : IDevice
{
    private readonly CudaDeviceInfo _info;
    private readonly CudaContext _context;
    private readonly Lock _lock = new();
    private readonly HashSet<CudaMemory> _memory = [];
    private readonly HashSet<CudaStream> _streams = [];
    private readonly List<CudaKernel> _kernels = [];
    private readonly CudaLoader _loader;
    private volatile bool _hasDependentLaunches;

    /// <summary>Opens a device in a new context.</summary>
    /// <param name="index">The index of the device among those visible to this process.</param>
    /// <param name="cache">The cache of machine code; null to compile PTX every time.</param>
    /// <exception cref="DeviceException">There is no driver, no such device, or the device cannot be
    /// used.</exception>
    public CudaDevice(int index, KernelCache? cache = null)
        : this(index, cache, CudaContext.Create)
    {
    }

    private CudaDevice(int index, KernelCache? cache, Func<int, string, CudaContext> open)
    {
        _info = CudaDevices.Describe(index);
        if (_info.UnusableBecause is { } reason)
            throw new DeviceException($"{this}: {reason}");
        int ordinal = CudaDevices.Ordinal(index);
        Properties = CudaDevices.PropertiesOf(_info);
        _hasDependentLaunches = Properties.IsHopper && CudaDependentLaunch.IsSupported;
        _context = open(ordinal, ToString());
        _context.Releasing = ReleaseAll;
        _loader = new CudaLoader(_context, cache, _info.Architecture, _info.DriverVersion);
    }

    /// <inheritdoc/>
    public DeviceProperties Properties { get; }

    /// <summary>The device's context.</summary>
    internal CudaContext Context => _context;

    /// <summary>Whether recordings may have dependent launches: the device and its driver have them, and no recording
    /// has failed because of them.</summary>
    internal bool HasDependentLaunches => _hasDependentLaunches && CudaDependentLaunch.IsEnabled;

    /// <summary>Opens a device in its primary context.</summary>
    /// <inheritdoc cref="CudaDevice(int, KernelCache)"/>
    public static CudaDevice InPrimaryContext(int index, KernelCache? cache = null)
        => new(index, cache, CudaContext.RetainPrimary);

    /// <summary>Opens the device of an accelerator in its context.</summary>
    /// <param name="accelerator">The accelerator; it must outlive this object.</param>
    /// <param name="cache">The cache of machine code; null to compile PTX every time.</param>
    /// <exception cref="DeviceException">The device cannot be used.</exception>
    /// <exception cref="ObjectDisposedException">The accelerator was disposed.</exception>
    public static CudaDevice Of(CudaAccelerator accelerator, KernelCache? cache = null)
        => new(CudaDevices.IndexOf(accelerator.DeviceId), cache,
            (_, device) => CudaContext.Borrow(accelerator, device));

    /// <summary>The amount of free memory in bytes.</summary>
    public long GetFreeBytes()
    {
        using CudaContext.Scope scope = _context.Enter();
        _context.Check(CudaLibrary.Api.GetMemoryInfo(out long free, out long _), "cuMemGetInfo", "reading free memory");
        return free;
    }

    /// <inheritdoc/>
    public IDeviceMemory Allocate(long byteCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(byteCount, 1);
        using CudaContext.Scope scope = _context.Enter();
        CudaError error = CudaLibrary.Api.AllocateMemory(out nint address, (nint)byteCount);
        if (error != CudaError.CUDA_SUCCESS)
            FailAllocation(error, byteCount);
        CudaMemory memory = new(this, (ulong)address, byteCount);
        lock (_lock)
            _memory.Add(memory);
        return memory;
    }

    /// <inheritdoc/>
    public IDeviceStream CreateStream()
    {
        using CudaContext.Scope scope = _context.Enter();
        CudaStream stream = new(this);
        lock (_lock)
            _streams.Add(stream);
        return stream;
    }

    /// <inheritdoc/>
    public IDeviceKernel Load(CompiledKernel kernel)
    {
        using CudaContext.Scope scope = _context.Enter();
        // Compiling takes long: meanwhile other threads load kernels, allocate and release.
        CudaKernel loaded = _loader.Load(kernel);
        lock (_lock)
            _kernels.Add(loaded);
        return loaded;
    }

    /// <inheritdoc cref="CudaProbe.Of"/>
    public CudaProbe Probe(CompiledKernel kernel, int blockSize, int dynamicSharedBytes = 0)
        => CudaProbe.Of(_context, kernel, blockSize, dynamicSharedBytes);

    /// <inheritdoc/>
    public void RefuseRecording(nint callerStream)
    {
        using CudaContext.Scope scope = _context.Enter();
        // The NULL stream gives an error while a stream that waits for it records. If the call fails in another way,
        // the call that orders the streams reports the error.
        CudaError error = CudaNative.IsCapturing(callerStream, out int state);
        if (error == CudaNative.CaptureImplicit || (error == CudaError.CUDA_SUCCESS && state != 0))
        {
            throw new InvalidOperationException($"the stream 0x{callerStream:x} is recording a graph: call the " +
                "model before or after the recording, or with another stream");
        }
    }

    /// <summary>Frees memory; a second call has no effect.</summary>
    internal void Release(CudaMemory memory)
    {
        lock (_lock)
        {
            if (!_memory.Remove(memory))
                return;
        }

        if (!_context.TryEnterToRelease(out CudaContext.Scope scope))
            return;
        using (scope)
            CudaLibrary.Api.FreeMemory((nint)memory.Address);
    }

    /// <summary>Destroys a stream; a second call has no effect.</summary>
    internal void Release(CudaStream stream)
    {
        lock (_lock)
        {
            if (!_streams.Remove(stream))
                return;
        }

        if (!_context.TryEnterToRelease(out CudaContext.Scope scope))
            return;
        using (scope)
            stream.ReleaseHandles();
    }

    /// <summary>Makes later recordings do without dependent launches.</summary>
    internal void StopDependentLaunches() => _hasDependentLaunches = false;

    /// <summary>Whether memory belongs to this device and was not freed.</summary>
    internal bool Owns(CudaMemory memory)
    {
        lock (_lock)
            return _memory.Contains(memory);
    }

    /// <inheritdoc/>
    public void Dispose() => _context.Dispose();

    /// <summary>The device's index and name.</summary>
    public override string ToString() => $"CUDA device {_info.Index} ({_info.Name})";

    private void ReleaseAll()
    {
        CudaStream[] streams;
        CudaMemory[] memory;
        CudaKernel[] kernels;
        lock (_lock)
        {
            streams = [.. _streams];
            memory = [.. _memory];
            kernels = [.. _kernels];
            _streams.Clear();
            _memory.Clear();
            _kernels.Clear();
        }

        foreach (CudaStream stream in streams)
            stream.ReleaseHandles();
        foreach (CudaMemory item in memory)
            CudaLibrary.Api.FreeMemory((nint)item.Address);
        foreach (CudaKernel kernel in kernels)
            CudaLibrary.Api.DestroyModule(kernel.Module);
    }

    [DoesNotReturn]
    private void FailAllocation(CudaError error, long byteCount)
    {
        string operation = string.Create(CultureInfo.InvariantCulture, $"allocating {byteCount:N0} bytes");
        if (CudaLibrary.Api.GetMemoryInfo(out long free, out long total) == CudaError.CUDA_SUCCESS)
            operation += string.Create(CultureInfo.InvariantCulture, $" ({free:N0} of {total:N0} bytes are free)");
        _context.Fail(error, "cuMemAlloc", operation);
    }
}
