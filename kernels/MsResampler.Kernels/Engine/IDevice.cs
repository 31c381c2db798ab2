namespace MsResampler.Kernels.Engine;

/// <summary>A machine that runs compiled kernels. The plan's executor knows devices by this interface alone, so that
/// whatever implements it runs the same model. Every member may be called from many threads at once.</summary>
internal interface IDevice : IDisposable
{
    /// <summary>What the device is and can do.</summary>
    DeviceProperties Properties { get; }

    /// <summary>Allocates memory of undefined content, aligned to 256 bytes.</summary>
    /// <exception cref="DeviceException">There is not enough memory.</exception>
    IDeviceMemory Allocate(long byteCount);

    /// <summary>Creates a stream whose work runs in order, beside that of other streams.</summary>
    IDeviceStream CreateStream();

    /// <summary>Makes a compiled kernel ready to launch. Loading a kernel again returns the same object.</summary>
    IDeviceKernel Load(CompiledKernel kernel);
}

/// <summary>Device memory; disposing it frees it.</summary>
internal interface IDeviceMemory : IDisposable
{
    /// <summary>The address of the first byte, as kernels see it.</summary>
    ulong Address { get; }

    long ByteCount { get; }
}

/// <summary>A kernel that is ready to launch on one device; it lives as long as the device.</summary>
internal interface IDeviceKernel
{
    CompiledKernel Kernel { get; }
}

/// <summary>Work that runs in order. A stream is used by one thread at a time.</summary>
internal interface IDeviceStream : IDisposable
{
    /// <summary>Copies to the device. The source may be reused when the call returns.</summary>
    void Upload(ReadOnlySpan<byte> source, IDeviceMemory destination, long byteOffset = 0);

    /// <summary>Copies from the device, after all work before it; complete when the call returns.</summary>
    void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0);

    /// <summary>Starts a kernel.</summary>
    /// <param name="kernel">The kernel, loaded on this stream's device.</param>
    /// <param name="size">Blocks, threads and dynamic shared memory.</param>
    /// <param name="arguments">The parameters' bytes, each at its offset of
    /// <see cref="CompiledKernel.Parameters"/>.</param>
    /// <exception cref="DeviceException">The launch failed.</exception>
    void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments);

    /// <summary>Waits until all work is done.</summary>
    /// <exception cref="DeviceException">Work failed since the last call.</exception>
    void Synchronize();
}
