using System.Runtime.InteropServices;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Model;
using MsResampler.Planning;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;

namespace MsResampler.Kernels.Forward;

/// <summary>A model on one device. An image's tokens are the same bit for bit in any batch: a block's sums
/// have a fixed order, and its shape depends on the image's plan alone.</summary>
/// <remarks>A call that fails gives its stream and memory back to the device and leaves the engine usable; if it was
/// the device that failed, every later call says so.</remarks>
internal sealed class GpuEngine : ModelEngine
{
    private const int MaxConcurrentCalls = 4;
    private const long ArenaBytes = 256L << 20;
    private const long MaxWorkspaceBytes = 1L << 30;

    private readonly IDevice _device;
    private readonly KernelCompiler _compiler;
    private readonly bool _validateFeatures;
    private readonly Precision _precision;
    private readonly DeviceModel _model;
    private readonly GridStore _grids;
    private readonly SemaphoreSlim _slots = new(MaxConcurrentCalls);
    private readonly Lock _allSlots = new();
    private readonly Stack<Workspace> _idle = new();
    private readonly long _workspaceBytes;
    private readonly long _arenaBytes;
    private int _isDisposed;

    /// <param name="device">The device; the engine disposes it, also when this throws.</param>
    /// <param name="compiler">Compiles the kernels, some of them when they are first needed: it must outlive the
    /// engine.</param>
    /// <param name="model">The model; not needed afterwards.</param>
    /// <param name="options">How to run.</param>
    /// <exception cref="DeviceException">The device has too little memory, or failed.</exception>
    public GpuEngine(IDevice device, KernelCompiler compiler, ResamplerModel model, ResamplerOptions options)
    {
        _device = device;
        _compiler = compiler;
        _validateFeatures = options.ValidateFeatures;
        _workspaceBytes = Math.Min(MaxWorkspaceBytes, device.Properties.MemoryBytes / 16);
        _arenaBytes = Math.Min(ArenaBytes, device.Properties.MemoryBytes / 64);
        try
        {
            _precision = Precisions.Choose(options.Precision, model, device.Properties);
            KernelLibrary kernels = new(device, compiler);
            using (IDeviceStream stream = device.CreateStream())
            {
                _model = _precision is Precision.Float16 or Precision.BFloat16
                    ? new Bits16Model(device, kernels, stream, model, _precision)
                    : new Float32Model(device, kernels, stream, model, _precision == Precision.TensorFloat32);
                stream.Synchronize();
            }

            _grids = new GridStore(device, _model, _arenaBytes);
        }
        catch
        {
            Free();
            throw;
        }
    }

    public override string Description
        => $"{_device.Properties.Name} (sm_{_device.Properties.Architecture}), {Precisions.NameOf(_precision)}";

    public override Precision Precision => _precision;

    public override IReadOnlyList<string> Warnings => _compiler.CacheProblem is { } problem ? [problem] : [];

    public override int ThreadCount => 1;

    /// <summary>The ILGPU accelerator whose context the model is in; null where it is in another.</summary>
    public CudaAccelerator? Accelerator => (_device as CudaDevice)?.Context.Accelerator;

    private ModelLayout Layout => _model.Layout;

    private ResamplerConfig Config => Layout.Config;

    public override ExecutionPlan Plan(PatchGrid grid) => _model.Plan(grid);

    public override void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken)
    {
        if (_validateFeatures)
            FeatureCheck.Run(features, grids, Config.VisionHiddenSize);
        Workspace workspace = Rent(cancellationToken);
        bool isSound = false;
        try
        {
            int tokenLength = Layout.QueryCount * Config.OutputSize;
            int firstImage = 0;
            while (grids.Length > 0)
            {
                (int imageCount, int rowCount) = NextGroup(grids);
                Run(workspace, features[..(rowCount * Config.VisionHiddenSize)], grids[..imageCount], firstImage,
                    tokens[..(imageCount * tokenLength)], explanation: null, cancellationToken);
                firstImage += imageCount;
                features = features[(rowCount * Config.VisionHiddenSize)..];
                grids = grids[imageCount..];
                tokens = tokens[(imageCount * tokenLength)..];
            }

            isSound = true;
        }
        catch (OperationCanceledException)
        {
            isSound = true;
            throw;
        }
        finally
        {
            Return(workspace, isSound);
        }
    }

    /// <summary>Starts to compute tokens, in order with the work of a stream of the caller's.</summary>
    /// <inheritdoc cref="ResamplerCudaExtensions.Resample(Resampler, DeviceTensor, ReadOnlySpan{PatchGrid}, DeviceTensor, nint)"/>
    public void Resample(DeviceTensor features, ReadOnlySpan<PatchGrid> grids, DeviceTensor tokens, nint stream)
    {
        features.Check(nameof(features), _model.ElementType);
        tokens.Check(nameof(tokens), _model.ElementType);
        if (features.Overlaps(tokens))
        {
            throw new ArgumentException("expected tokens in memory of their own, found them overlapping the features",
                nameof(tokens));
        }

        if (grids.IsEmpty)
            return;
        _device.RefuseRecording(stream);
        Workspace workspace = Rent(CancellationToken.None);
        bool isSound = false;
        try
        {
            long tokenLength = (long)Layout.QueryCount * Config.OutputSize;
            int firstImage = 0;
            while (grids.Length > 0)
            {
                (int imageCount, int rowCount) = NextGroup(grids);
                Start(workspace, features, grids[..imageCount], firstImage, tokens, stream);
                firstImage += imageCount;
                features = features.From((long)rowCount * Config.VisionHiddenSize);
                grids = grids[imageCount..];
                tokens = tokens.From(imageCount * tokenLength);
            }

            workspace.Stream.Release(stream);
            isSound = true;
        }
        finally
        {
            Return(workspace, isSound);
        }
    }

    /// <inheritdoc cref="ResamplerCudaExtensions.ThrowIfOverflowed"/>
    public void ThrowIfOverflowed()
    {
        TakeAllSlots();
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed != 0, this);
            foreach (Workspace workspace in _idle)
                workspace.Settle();
            // Without one there was no call.
            if (_idle.TryPeek(out Workspace? last))
                _model.ThrowIfOverflowed(last.Stream);
        }
        finally
        {
            _slots.Release(MaxConcurrentCalls);
        }
    }

    public override Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        if (_validateFeatures)
            FeatureCheck.Run(features, [grid], Config.VisionHiddenSize);
        float[] tokens = new float[Layout.QueryCount * Config.OutputSize];
        Workspace workspace = Rent(CancellationToken.None);
        bool isSound = false;
        try
        {
            Maps maps = new();
            Run(workspace, features, [grid], firstImage: 0, tokens, maps, CancellationToken.None);
            isSound = true;
            return new Explanation(grid, Layout.QueryCount, Layout.ScopeCount, Config.AttentionHeadCount,
                Config.GateGroupCount, maps.Attention, maps.Gate);
        }
        finally
        {
            Return(workspace, isSound);
        }
    }

    public override void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        TakeAllSlots();
        Free();
        // Whoever waits for a slot wakes up and finds the engine disposed.
        _slots.Release(MaxConcurrentCalls);
    }

    /// <summary>The images that fit in a workspace together, one at least.</summary>
    private (int ImageCount, int RowCount) NextGroup(ReadOnlySpan<PatchGrid> grids)
    {
        long rowCount = grids[0].PatchCount;
        int imageCount = 1;
        while (imageCount < grids.Length && Workspace.BytesOf(_model, rowCount + grids[imageCount].PatchCount,
            imageCount + 1) <= _workspaceBytes)
        {
            rowCount += grids[imageCount++].PatchCount;
        }

        return (imageCount, checked((int)rowCount));
    }

    private void Run(Workspace workspace, ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, int firstImage,
        Span<float> tokens, Maps? explanation, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        GridArena arena = _grids.Acquire(grids, workspace.Stream);
        bool isDone = false;
        try
        {
            workspace.Prepare(grids, arena);
            _model.UploadFeatures(workspace, features);
            workspace.Run(arena, TokenTarget.Host, firstToken: 0, cancellationToken);
            _model.DownloadTokens(workspace, tokens);
            _model.ThrowIfOverflowed(workspace, firstImage);
            explanation?.Read(this, workspace, arena, grids[0]);
            workspace.Settle();
            isDone = true;
        }
        finally
        {
            // Work whose results are unwanted may still read the arena; results that were read came after all work.
            if (!isDone)
            {
                Settle(workspace.Stream);
                workspace.Invalidate();
            }

            arena.Release();
        }
    }

    /// <summary>Starts the work of a group whose features and tokens are on the device.</summary>
    private void Start(Workspace workspace, DeviceTensor features, ReadOnlySpan<PatchGrid> grids, int firstImage,
        DeviceTensor tokens, nint callerStream)
    {
        GridArena arena = _grids.Acquire(grids, workspace.Stream);
        bool isStarted = false;
        try
        {
            // What has to wait for the workspace's own work comes first: it must not wait for the caller's.
            workspace.Prepare(grids, arena);
            workspace.Stream.WaitFor(callerStream);
            _model.CopyFeatures(workspace, features);
            workspace.Run(arena, tokens.Type == DeviceElementType.Float32 ? TokenTarget.Device : TokenTarget.DeviceBits16,
                checked(firstImage * Layout.QueryCount), CancellationToken.None);
            _model.CopyTokens(workspace, tokens);
            isStarted = true;
        }
        finally
        {
            if (isStarted)
            {
                workspace.Keep(arena);
            }
            else
            {
                Settle(workspace.Stream);
                workspace.Invalidate();
                arena.Release();
            }
        }
    }

    /// <summary>Waits for the work of a call that failed.</summary>
    private static void Settle(IDeviceStream stream)
    {
        try
        {
            stream.Synchronize();
        }
        catch (DeviceException)
        {
            // The failure that is under way came first and says more.
        }
    }

    private Workspace Rent(CancellationToken cancellationToken)
    {
        _slots.Wait(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed != 0, this);
            lock (_idle)
            {
                if (_idle.TryPop(out Workspace? workspace))
                    return workspace;
            }

            return new Workspace(_device, _model);
        }
        catch
        {
            _slots.Release();
            throw;
        }
    }

    /// <summary>Keeps the workspace for the next call, or frees it if its call failed.</summary>
    private void Return(Workspace workspace, bool isSound)
    {
        try
        {
            if (isSound)
            {
                lock (_idle)
                    _idle.Push(workspace);
            }
            else
            {
                workspace.Dispose();
            }
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>Waits until no call is under way, and lets none begin.</summary>
    private void TakeAllSlots()
    {
        // Two threads that had some each would wait for ever.
        lock (_allSlots)
        {
            for (int slot = 0; slot < MaxConcurrentCalls; slot++)
                _slots.Wait();
        }
    }

    private void Free()
    {
        while (_idle.TryPop(out Workspace? workspace))
            workspace.Dispose();
        _grids?.Dispose();
        _model?.Dispose();
        _device.Dispose();
    }

    /// <summary>Attention maps and gate weights, read after an image was computed.</summary>
    private sealed class Maps
    {
        public float[][] Attention { get; private set; } = [];

        public float[] Gate { get; private set; } = [];

        public void Read(GpuEngine engine, Workspace workspace, GridArena arena, PatchGrid grid)
        {
            ModelLayout layout = engine.Layout;
            Gate = new float[layout.QueryCount * layout.GateCount];
            if (engine._model.Gates(workspace) is { } gates)
                workspace.Download(gates, MemoryMarshal.AsBytes(Gate.AsSpan()));
            else
                Array.Fill(Gate, 1);
            long mapCount = (long)layout.Heads.SegmentCount * layout.QueryCount * grid.PatchCount;
            Attention = new float[layout.ScopeCount][];
            using IDeviceMemory maps = engine._device.Allocate(checked((int)mapCount) * (long)sizeof(float));
            for (int scope = 0; scope < layout.ScopeCount; scope++)
            {
                engine._model.Map(workspace, arena, scope, new DeviceView(maps.Address, mapCount));
                Attention[scope] = new float[mapCount];
                workspace.Stream.Download(maps, MemoryMarshal.AsBytes(Attention[scope].AsSpan()));
            }
        }
    }
}
