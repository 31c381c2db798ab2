using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Engine.Cuda;

/// <summary>A non-blocking stream of a <see cref="CudaDevice"/>.</summary>
/// <remarks>Copies go through two page-locked buffers of the stream's own: the driver may read pageable memory after the
/// call that copies it has returned, so the caller's memory is never given to it. While one buffer is on its way the
/// other is filled or emptied.</remarks>
internal sealed unsafe class CudaStream : IDeviceStream
{
    private readonly CudaDevice _device;
    private readonly CudaStaging[] _staging = new CudaStaging[2];
    private readonly nint _handle;
    private int _nextStaging;
    private int _launchCount;
    private string? _lastLaunch;
    private bool _isReleased;

    /// <summary>Creates a stream; the device's context must be current.</summary>
    public CudaStream(CudaDevice device)
    {
        _device = device;
        Context.Check(CudaNative.CreateStream(out _handle, CudaNative.NonBlockingStream), "cuStreamCreate",
            "creating a stream");
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

    private CudaContext Context => _device.Context;

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> source, IDeviceMemory destination, long byteOffset = 0)
    {
        ulong address = AddressOf(destination, byteOffset, source.Length, nameof(destination));
        using CudaContext.Scope scope = Enter();
        for (int start = 0; start < source.Length;)
        {
            int count = Math.Min(source.Length - start, CudaStaging.ByteCount);
            CudaStaging staging = NextStaging();
            WaitFor(staging);
            source.Slice(start, count).CopyTo(staging.Bytes);
            CudaError error = CudaNative.CopyToDevice(address + (ulong)start, staging.Pointer, (nuint)count, _handle);
            if (error != CudaError.CUDA_SUCCESS)
                Context.Fail(error, "cuMemcpyHtoDAsync", $"copying {source.Length} bytes to the device{DescribeWork()}");
            Record(staging);
            start += count;
        }
    }

    /// <inheritdoc/>
    public void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0)
    {
        ulong address = AddressOf(source, byteOffset, destination.Length, nameof(source));
        using CudaContext.Scope scope = Enter();
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

            // The oldest copy under way is in the buffer that comes next, or in the only one that was used.
            CudaStaging oldest = _staging[started - done > CudaStaging.ByteCount ? _nextStaging : 1 - _nextStaging];
            WaitFor(oldest);
            int count = Math.Min(destination.Length - done, CudaStaging.ByteCount);
            oldest.Bytes[..count].CopyTo(destination.Slice(done, count));
            done += count;
        }
    }

    /// <inheritdoc/>
    public void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
    {
        if (kernel is not CudaKernel loaded || loaded.Context != Context)
            throw new ArgumentException($"{kernel.Kernel.Name} was not loaded on this stream's device", nameof(kernel));
        if (arguments.Length != kernel.Kernel.ParameterBytes)
        {
            throw new ArgumentException($"{kernel.Kernel.Name}: expected {kernel.Kernel.ParameterBytes} bytes of " +
                $"arguments, found {arguments.Length}", nameof(arguments));
        }

        using CudaContext.Scope scope = Enter();
        loaded.PermitShared(size.DynamicSharedBytes);
        CudaError error;
        nint argumentBytes = arguments.Length;
        fixed (byte* argumentStart = arguments)
        {
            // CU_LAUNCH_PARAM_BUFFER_POINTER, _BUFFER_SIZE, _END.
            void** extra = stackalloc void*[] { (void*)1, argumentStart, (void*)2, &argumentBytes, null };
            error = CudaLibrary.Api.LaunchKernel(loaded.Function, size.GridX, size.GridY, 1, size.GroupSize, 1, 1,
                size.DynamicSharedBytes, _handle, 0, (nint)extra);
        }

        if (error != CudaError.CUDA_SUCCESS)
        {
            Context.Fail(error, "cuLaunchKernel", $"launching {kernel.Kernel.Name} with {size.GridX}x{size.GridY} blocks " +
                $"of {size.GroupSize} threads and {size.DynamicSharedBytes} bytes of dynamic shared memory");
        }

        _launchCount++;
        _lastLaunch = kernel.Kernel.Name;
    }

    /// <inheritdoc/>
    public void Synchronize()
    {
        using CudaContext.Scope scope = Enter();
        CudaError error = CudaLibrary.Api.SynchronizeStream(_handle);
        if (error != CudaError.CUDA_SUCCESS)
            Context.Fail(error, "cuStreamSynchronize", $"waiting for a stream{DescribeWork()}");
        _launchCount = 0;
        _lastLaunch = null;
    }

    /// <inheritdoc/>
    public void Dispose() => _device.Release(this);

    /// <summary>Waits for the work and releases everything; the device's context must be current.</summary>
    internal void ReleaseHandles()
    {
        _isReleased = true;
        // The buffers must outlive the copies from and to them.
        CudaLibrary.Api.SynchronizeStream(_handle);
        foreach (CudaStaging? staging in _staging)
            staging?.Release();
        CudaLibrary.Api.DestroyStream(_handle);
    }

    private CudaContext.Scope Enter()
    {
        ObjectDisposedException.ThrowIf(_isReleased, this);
        return Context.Enter();
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

    /// <summary>What may have failed: the driver reports a kernel's failure to a later call.</summary>
    private string DescribeWork() => _launchCount == 0 ? ""
        : $" after {_launchCount} launch{(_launchCount == 1 ? "" : "es")}, the last of {_lastLaunch} (with " +
            "CUDA_LAUNCH_BLOCKING=1 in the environment, the launch that fails is the one that is named)";

    private ulong AddressOf(IDeviceMemory memory, long byteOffset, int byteCount, string name)
    {
        if (memory is not CudaMemory own || !_device.Owns(own))
            throw new ArgumentException("the memory was freed, or is not on this stream's device", name);
        if (byteOffset < 0 || byteOffset > own.ByteCount - byteCount)
        {
            throw new ArgumentException($"expected at most {own.ByteCount} bytes from offset 0, found {byteCount} from " +
                $"offset {byteOffset}", name);
        }

        return own.Address + (ulong)byteOffset;
    }
}
