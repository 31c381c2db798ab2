using System.Collections.Concurrent;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Devices;

/// <summary>The PTX emulator as a device. It performs work immediately.</summary>
internal sealed class EmulatorDevice : IDevice
{
    private static readonly ConcurrentDictionary<string, PtxModule> s_modules = [];

    private readonly EmulatedGpu _gpu;
    private readonly ConcurrentQueue<(string Kernel, LaunchReport Report)> _reports = new();
    private int _graphLaunchCount;
    private int _dependentLaunchCount;

    /// <summary>Arithmetic that differs from rounding to nearest as far as that of a GPU may.</summary>
    public static readonly EmulatorOptions GpuArithmetic = new()
    {
        ContractionSeed = 1,
        TruncatesMatrixSums = true,
        ApproximationSeed = 1,
    };

    /// <param name="seed">Decides the order in which warps run.</param>
    /// <param name="memoryBytes">The size of the device memory.</param>
    /// <param name="architecture">The architecture that the device reports; by default the oldest supported
    /// one.</param>
    /// <param name="arithmetic">The options of the arithmetic; by default everything is rounded to nearest.</param>
    /// <param name="isHopper">Whether the device has the instructions of sm_90a; its architecture is then 90.</param>
    public EmulatorDevice(ulong seed = 0, long memoryBytes = 1L << 30, int architecture = 60,
        EmulatorOptions? arithmetic = null, bool isHopper = false)
    {
        if (isHopper && architecture != KernelTarget.Hopper.Architecture)
            throw new ArgumentException($"{KernelTarget.Hopper} has the architecture 90, not {architecture}");
        _gpu = new EmulatedGpu((arithmetic ?? new()) with { Seed = seed, MemoryBytes = memoryBytes });
        // Few multiprocessors, so that small problems reach large tiles.
        Properties = new DeviceProperties("PTX emulator", architecture, 4, memoryBytes,
            isHopper ? 227 << 10 : 48 << 10, isHopper);
    }

    /// <summary>A device with tensor cores: that of Hopper, or of the oldest architecture that has them.</summary>
    public static EmulatorDevice WithTensorCores(bool isHopper, ulong seed = 0, EmulatorOptions? arithmetic = null)
        => new(seed, architecture: isHopper ? 90 : 80, arithmetic: arithmetic, isHopper: isHopper);

    /// <summary>The devices that differ in the products of a precision, as values of <c>isHopper</c>.</summary>
    public static bool[] KindsFor(Precision precision)
        => precision is Precision.Float16 or Precision.BFloat16 ? [false, true] : [false];

    public DeviceProperties Properties { get; }

    /// <summary>The counters of each launch, in order.</summary>
    public IReadOnlyList<(string Kernel, LaunchReport Report)> Reports => [.. _reports];

    /// <summary>The number of allocated bytes; readable after disposal too.</summary>
    public long AllocatedBytes { get; private set; }

    public bool IsDisposed { get; private set; }

    /// <summary>Whether the device supports graphs.</summary>
    public bool HasGraphs { get; init; } = true;

    /// <summary>The number of launched graphs.</summary>
    public int GraphLaunchCount => _graphLaunchCount;

    /// <summary>The number of launches of graphs that may begin before the launch before them has ended.</summary>
    public int DependentLaunchCount => _dependentLaunchCount;

    public IDeviceMemory Allocate(long byteCount)
    {
        try
        {
            return new Memory(this, byteCount);
        }
        catch (InsufficientMemoryException exception)
        {
            throw new DeviceException($"no {byteCount} bytes are left", exception);
        }
    }

    public IDeviceStream CreateStream() => new Stream(this);

    public IDeviceKernel Load(CompiledKernel kernel) => new LoadedKernel(kernel,
        s_modules.GetOrAdd(kernel.Ptx, static ptx => PtxModule.Parse(ptx)));

    public void RefuseRecording(nint callerStream)
    {
        // The device has no streams other than this one.
    }

    public void Dispose()
    {
        IsDisposed = true;
        _gpu.Dispose();
    }

    private sealed record LoadedKernel(CompiledKernel Kernel, PtxModule Module) : IDeviceKernel;

    private sealed class Memory : IDeviceMemory
    {
        private readonly EmulatorDevice _device;
        private bool _isDisposed;

        public Memory(EmulatorDevice device, long byteCount)
        {
            _device = device;
            ByteCount = byteCount;
            Address = device._gpu.Allocate(byteCount);
            lock (device._reports)
                device.AllocatedBytes += byteCount;
        }

        public ulong Address { get; }

        public long ByteCount { get; }

        public void Dispose()
        {
            lock (_device._reports)
            {
                if (_isDisposed)
                    return;
                _isDisposed = true;
                _device.AllocatedBytes -= ByteCount;
            }

            _device._gpu.Free(Address);
        }
    }

    /// <summary>Recorded work.</summary>
    private sealed class Graph(Stream stream, IReadOnlyList<Action> work) : IDeviceGraph
    {
        public Stream Stream => stream;

        public IReadOnlyList<Action> Work => work;

        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }

    private sealed class Stream(EmulatorDevice device) : IDeviceStream
    {
        private List<Action>? _recorded;
        private LaunchSequence? _sequence;

        public unsafe void Upload(HostRows rows, IDeviceMemory destination, long byteOffset = 0,
            CancellationToken cancellationToken = default)
        {
            RefuseWhileRecording();
            cancellationToken.ThrowIfCancellationRequested();
            byte[] bytes = new byte[rows.ByteCount];
            fixed (byte* start = bytes)
                rows.Write(0, rows.Count, start);
            device._gpu.Write(destination.Address + (ulong)byteOffset, bytes);
        }

        public void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0)
        {
            RefuseWhileRecording();
            device._gpu.Read(source.Address + (ulong)byteOffset, destination);
        }

        public void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
        {
            var loaded = (LoadedKernel)kernel;
            byte[] bytes = arguments.ToArray();
            bool isDependent = _sequence?.AddLaunch(kernel.Kernel) == true;
            Do(() =>
            {
                Interlocked.Add(ref device._dependentLaunchCount, isDependent ? 1 : 0);
                LaunchReport report = device._gpu.Launch(loaded.Module, loaded.Kernel.EntryName,
                    new Dim3(size.GridX, size.GridY), new Dim3(size.BlockSize), size.DynamicSharedBytes, bytes,
                    isDependent);
                device._reports.Enqueue((loaded.Kernel.Name, report));
            });
        }

        public void Copy(ulong source, ulong destination, long byteCount)
        {
            _sequence?.AddCopy();
            Do(() =>
            {
                byte[] content = new byte[byteCount];
                device._gpu.Read(source, content);
                device._gpu.Write(destination, content);
            });
        }

        public void Clear(ulong address, long byteCount)
        {
            _sequence?.AddCopy();
            Do(() => device._gpu.Write(address, new byte[byteCount]));
        }

        public IDeviceGraph? Capture(Action work)
        {
            RefuseWhileRecording();
            if (!device.HasGraphs)
                return null;
            _recorded = [];
            _sequence = device.Properties.IsHopper ? new LaunchSequence() : null;
            try
            {
                work();
                return new Graph(this, _recorded);
            }
            catch (DeviceException)
            {
                return null;
            }
            finally
            {
                (_recorded, _sequence) = (null, null);
            }
        }

        public bool TryLaunch(IDeviceGraph graph)
        {
            RefuseWhileRecording();
            var own = (Graph)graph;
            if (own.IsDisposed || own.Stream != this)
                throw new ArgumentException("the graph was disposed, or is not of this stream", nameof(graph));
            foreach (Action action in own.Work)
                action();
            Interlocked.Increment(ref device._graphLaunchCount);
            return true;
        }

        // Work is performed immediately, so it is in the order of the calls on any stream.
        public void WaitFor(nint callerStream) => RefuseWhileRecording();

        public void Release(nint callerStream) => RefuseWhileRecording();

        public IDeviceTimer? CreateTimer() => null;

        public void Synchronize() => RefuseWhileRecording();

        public void Dispose()
        {
        }

        private void Do(Action action)
        {
            if (_recorded is { } recorded)
                recorded.Add(action);
            else
                action();
        }

        private void RefuseWhileRecording()
        {
            if (_recorded is not null)
                throw new InvalidOperationException("only launches and copies within the device can be recorded");
        }
    }
}
