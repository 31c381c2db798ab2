using CudaError = ILGPU.Runtime.Cuda.CudaError;
using CudaEventFlags = ILGPU.Runtime.Cuda.CudaEventFlags;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A non-blocking stream of a <see cref="CudaDevice"/>.</summary>
/// <remarks>Host memory is copied through two page-locked buffers of the stream. The driver may read pageable memory
/// after a copy call has returned, so it never gets the memory of a caller. While one buffer is being transferred,
/// the other is filled or emptied.</remarks>
internal sealed unsafe class CudaStream : IDeviceStream
{
    private readonly CudaDevice _device;
    private readonly CudaStaging[] _staging = new CudaStaging[2];
    private readonly HashSet<ICudaResource> _resources = [];
    private readonly nint _handle;
    private nint _target;
    private nint _order;
    private int _nextStaging;
    private int _launchCount;
    private string? _lastLaunch;
    private LaunchSequence? _sequence;
    private bool _isReleased;

    /// <summary>Creates a stream. The context of the device must be current.</summary>
    public CudaStream(CudaDevice device)
    {
        _device = device;
        Context.Check(CudaNative.CreateStream(out _handle, CudaNative.NonBlockingStream), "cuStreamCreate",
            "creating a stream");
        _target = _handle;
        try
        {
            for (int index = 0; index < _staging.Length; index++)
                _staging[index] = new CudaStaging(Context);
        }
        catch
        {
            ReleaseHandles();
            throw;
        }
    }

    /// <summary>The context of the stream.</summary>
    internal CudaContext Context => _device.Context;

    /// <summary>The handle of the stream in the driver.</summary>
    internal nint Handle => _handle;

    /// <inheritdoc/>
    public void Upload(HostRows rows, IDeviceMemory destination, long byteOffset = 0,
        CancellationToken cancellationToken = default)
    {
        if (rows.RowBytes > CudaStaging.ByteCount)
        {
            UploadLongRows(rows, destination, byteOffset, cancellationToken);
            return;
        }

        ulong address = AddressOf(destination, byteOffset, rows.ByteCount, nameof(destination));
        using CudaContext.Scope scope = EnterToRun();
        int sliceRows = CudaStaging.ByteCount / rows.RowBytes;
        int count;
        for (int row = 0; row < rows.Count; row += count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            count = Math.Min(rows.Count - row, sliceRows);
            CudaStaging staging = NextStaging();
            WaitFor(staging);
            rows.Write(row, count, staging.Pointer);
            CudaError error = CudaNative.CopyToDevice(address + (ulong)((long)row * rows.RowBytes), staging.Pointer,
                (nuint)(count * rows.RowBytes), _handle);
            if (error != CudaError.CUDA_SUCCESS)
            {
                Context.Fail(error, "cuMemcpyHtoDAsync",
                    $"copying {rows.ByteCount} bytes to the device{DescribeWork()}");
            }

            Record(staging);
        }
    }

    /// <inheritdoc/>
    public void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0)
    {
        ulong address = AddressOf(source, byteOffset, destination.Length, nameof(source));
        using CudaContext.Scope scope = EnterToRun();
        long started = 0;
        for (int done = 0; done < destination.Length;)
        {
            for (; started < destination.Length && started - done < 2 * CudaStaging.ByteCount;
                started += CudaStaging.ByteCount)
            {
                CudaStaging staging = NextStaging();
                WaitFor(staging);
                nuint bytes = (nuint)Math.Min(destination.Length - started, CudaStaging.ByteCount);
                CudaError error = CudaNative.CopyToHost(staging.Pointer, address + (ulong)started, bytes, _handle);
                if (error != CudaError.CUDA_SUCCESS)
                {
                    Context.Fail(error, "cuMemcpyDtoHAsync",
                        $"copying {destination.Length} bytes from the device{DescribeWork()}");
                }

                Record(staging);
            }

            // The oldest pending copy is in the buffer that is next in turn, or in the other one if only one copy is
            // pending.
            CudaStaging oldest = _staging[started - done > CudaStaging.ByteCount ? _nextStaging : 1 - _nextStaging];
            WaitFor(oldest);
            int count = Math.Min(destination.Length - done, CudaStaging.ByteCount);
            fixed (byte* target = destination.Slice(done, count))
                HostRows.Of(oldest.Pointer, count).Write(0, count, target);
            done += count;
        }
    }

    /// <inheritdoc/>
    public void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
    {
        if (kernel is not CudaKernel loaded || loaded.Context != Context)
        {
            throw new ArgumentException($"{kernel.Kernel.Name} was not loaded on the device of this stream",
                nameof(kernel));
        }

        if (arguments.Length != kernel.Kernel.ParameterBytes)
        {
            throw new ArgumentException($"{kernel.Kernel.Name}: expected {kernel.Kernel.ParameterBytes} bytes of " +
                $"arguments, found {arguments.Length}", nameof(arguments));
        }

        using CudaContext.Scope scope = Enter();
        loaded.PermitShared(size.DynamicSharedBytes);
        bool isDependent = _sequence?.AddLaunch(kernel.Kernel) == true;
        CudaError error;
        nint argumentBytes = arguments.Length;
        fixed (byte* argumentStart = arguments)
        {
            // CU_LAUNCH_PARAM_BUFFER_POINTER, _BUFFER_SIZE, _END.
            void** extra = stackalloc void*[] { (void*)1, argumentStart, (void*)2, &argumentBytes, null };
            error = isDependent ? CudaDependentLaunch.Launch(loaded.Function, size, _target, extra)
                : CudaLibrary.Api.LaunchKernel(loaded.Function, size.GridX, size.GridY, 1, size.BlockSize, 1, 1,
                    size.DynamicSharedBytes, _target, 0, (nint)extra);
        }

        if (error != CudaError.CUDA_SUCCESS)
        {
            Context.Fail(error, isDependent ? "cuLaunchKernelEx" : "cuLaunchKernel", $"launching " +
                $"{kernel.Kernel.Name} with {size.GridX}x{size.GridY} blocks of {size.BlockSize} threads and " +
                $"{size.DynamicSharedBytes} bytes of dynamic shared memory");
        }

        _launchCount++;
        _lastLaunch = kernel.Kernel.Name;
    }

    /// <inheritdoc/>
    public void Copy(ulong source, ulong destination, long byteCount)
    {
        using CudaContext.Scope scope = Enter();
        _sequence?.AddCopy();
        CudaError error = CudaNative.CopyOnDevice(destination, source, (nuint)byteCount, _target);
        if (error != CudaError.CUDA_SUCCESS)
        {
            Context.Fail(error, "cuMemcpyDtoDAsync",
                $"copying {byteCount} bytes within the device{DescribeWork()}");
        }
    }

    /// <inheritdoc/>
    public void Clear(ulong address, long byteCount)
    {
        using CudaContext.Scope scope = Enter();
        _sequence?.AddCopy();
        CudaError error = CudaLibrary.Api.Memset((nint)address, 0, (nint)byteCount, _target);
        if (error != CudaError.CUDA_SUCCESS)
            Context.Fail(error, "cuMemsetD8Async", $"setting {byteCount} bytes to 0{DescribeWork()}");
    }

    /// <inheritdoc/>
    public IDeviceGraph? Capture(Action work)
    {
        using CudaContext.Scope scope = EnterToRun();
        if (!_device.HasDependentLaunches)
            return Record(work, sequence: null);
        LaunchSequence sequence = new();
        IDeviceGraph? graph = Record(work, sequence);
        if (graph is null && sequence.DependentCount > 0 && (graph = Record(work, sequence: null)) is not null)
            _device.StopDependentLaunches();
        return graph;
    }

    /// <inheritdoc/>
    public bool TryLaunch(IDeviceGraph graph)
    {
        using CudaContext.Scope scope = EnterToRun();
        if (graph is not CudaGraph own || !_resources.Contains(own))
            throw new ArgumentException("the graph was disposed, or belongs to another stream", nameof(graph));
        if (CudaNative.LaunchGraph(own.Executable, _handle) != CudaError.CUDA_SUCCESS)
            return false;
        if (own.LaunchCount > 0)
            (_launchCount, _lastLaunch) = (_launchCount + own.LaunchCount, own.LastLaunch);
        return true;
    }

    /// <inheritdoc/>
    public void WaitFor(nint callerStream) => Order(callerStream, first: callerStream, then: _handle);

    /// <inheritdoc/>
    public void Release(nint callerStream) => Order(callerStream, first: _handle, then: callerStream);

    /// <inheritdoc/>
    public IDeviceTimer CreateTimer()
    {
        using CudaContext.Scope scope = EnterToRun();
        CudaTimer timer = new(this);
        _resources.Add(timer);
        return timer;
    }

    /// <inheritdoc/>
    public void Synchronize()
    {
        using CudaContext.Scope scope = EnterToRun();
        CudaError error = CudaLibrary.Api.SynchronizeStream(_handle);
        if (error != CudaError.CUDA_SUCCESS)
            Context.Fail(error, "cuStreamSynchronize", $"waiting for a stream{DescribeWork()}");
        _launchCount = 0;
        _lastLaunch = null;
    }

    /// <inheritdoc/>
    public void Dispose() => _device.Release(this);

    /// <summary>Makes the context current for an operation that can be recorded.</summary>
    internal CudaContext.Scope Enter()
    {
        ObjectDisposedException.ThrowIf(_isReleased, this);
        return Context.Enter();
    }

    /// <summary>Records an event after the work enqueued so far.</summary>
    internal void Record(nint @event, string operation)
    {
        using CudaContext.Scope scope = EnterToRun();
        Context.Check(CudaLibrary.Api.RecordEvent(@event, _handle), "cuEventRecord", operation);
    }

    /// <summary>Destroys a graph or a timer; a second call has no effect.</summary>
    internal void Destroy(ICudaResource resource)
    {
        if (!_resources.Remove(resource) || !Context.TryEnterToRelease(out CudaContext.Scope scope))
            return;
        using (scope)
        {
            CudaLibrary.Api.SynchronizeStream(_handle);
            resource.Destroy();
        }
    }

    /// <summary>Waits for the work and releases all objects. The context of the device must be current.</summary>
    internal void ReleaseHandles()
    {
        _isReleased = true;
        // Objects in use must not be destroyed before the work ends.
        CudaLibrary.Api.SynchronizeStream(_handle);
        foreach (ICudaResource resource in _resources)
            resource.Destroy();
        _resources.Clear();
        if (_order != 0)
            CudaLibrary.Api.DestroyEvent(_order);
        foreach (CudaStaging? staging in _staging)
            staging?.Release();
        CudaLibrary.Api.DestroyStream(_handle);
    }

    /// <summary>Records work. The context must be current.</summary>
    /// <param name="work">The work.</param>
    /// <param name="sequence">Decides which launches are dependent; null if none is.</param>
    /// <returns>The graph, or null if an operation failed.</returns>
    private CudaGraph? Record(Action work, LaunchSequence? sequence)
    {
        if (!CudaCapture.TryBegin(out CudaCapture capture))
            return null;
        (int launchCount, string? lastLaunch) = (_launchCount, _lastLaunch);
        (_launchCount, _target, _sequence) = (0, capture.Stream, sequence);
        try
        {
            work();
            nint executable = capture.End();
            if (executable == 0)
                return null;
            CudaGraph graph = new(this, executable, _launchCount, _lastLaunch);
            _resources.Add(graph);
            return graph;
        }
        catch (DeviceException)
        {
            return null;
        }
        finally
        {
            capture.Dispose();
            (_launchCount, _lastLaunch, _target, _sequence) = (launchCount, lastLaunch, _handle, null);
        }
    }

    /// <summary>Makes the context current for an operation that cannot be recorded.</summary>
    private CudaContext.Scope EnterToRun()
    {
        if (_target != _handle)
        {
            throw new InvalidOperationException("a stream that records a graph accepts only launches and copies " +
                "within the device");
        }

        return Enter();
    }

    /// <summary>Copies rows that are longer than a page-locked buffer, one by one through other memory.</summary>
    private void UploadLongRows(HostRows rows, IDeviceMemory destination, long byteOffset,
        CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[rows.RowBytes];
        for (int row = 0; row < rows.Count; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            rows.Writer(row, bytes);
            this.Upload(bytes, destination, byteOffset + ((long)row * rows.RowBytes));
        }
    }

    private void Order(nint callerStream, nint first, nint then)
    {
        using CudaContext.Scope scope = EnterToRun();
        if (_order == 0)
        {
            Context.Check(CudaLibrary.Api.CreateEvent(out _order, CudaEventFlags.CU_EVENT_DISABLE_TIMING),
                "cuEventCreate", "creating an event");
        }

        CudaError error = CudaLibrary.Api.RecordEvent(_order, first);
        string call = "cuEventRecord";
        if (error == CudaError.CUDA_SUCCESS)
            (error, call) = (CudaNative.WaitEvent(then, _order, 0), "cuStreamWaitEvent");
        if (error == CudaError.CUDA_SUCCESS)
            return;
        Context.Fail(error, call, $"ordering work with the stream 0x{callerStream:x}, which must belong to the " +
            $"model's context{DescribeWork()}");
    }

    private CudaStaging NextStaging()
    {
        CudaStaging staging = _staging[_nextStaging];
        _nextStaging = 1 - _nextStaging;
        return staging;
    }

    private void WaitFor(CudaStaging staging)
    {
        CudaError error = staging.Wait();
        if (error != CudaError.CUDA_SUCCESS)
            Context.Fail(error, "cuEventSynchronize", $"waiting for a copy{DescribeWork()}");
    }

    private void Record(CudaStaging staging)
    {
        CudaError error = staging.Record(_handle);
        if (error != CudaError.CUDA_SUCCESS)
            Context.Fail(error, "cuEventRecord", $"marking a copy{DescribeWork()}");
    }

    /// <summary>Describes the launches since the last synchronisation: the driver reports the failure of a kernel at
    /// a later call.</summary>
    private string DescribeWork() => _launchCount == 0 ? ""
        : $" after {_launchCount} launch{(_launchCount == 1 ? "" : "es")}, the last of {_lastLaunch} (set " +
            "CUDA_LAUNCH_BLOCKING=1 in the environment to find the launch that fails)";

    private ulong AddressOf(IDeviceMemory memory, long byteOffset, long byteCount, string name)
    {
        if (memory is not CudaMemory own || !_device.Owns(own))
            throw new ArgumentException("the memory was freed, or belongs to another device than this stream", name);
        if (byteOffset < 0 || byteOffset > own.ByteCount - byteCount)
        {
            throw new ArgumentException($"expected at most {own.ByteCount} bytes from offset 0, found {byteCount} " +
                $"from offset {byteOffset}", name);
        }

        return own.Address + (ulong)byteOffset;
    }
}
