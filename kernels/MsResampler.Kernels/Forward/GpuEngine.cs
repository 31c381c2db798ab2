using System.Buffers;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Forward.Float32;

namespace MsResampler.Kernels.Forward;

/// <summary>Runs a model on one device. It joins the model's steps with the streams and memory of workspaces. The
/// tokens of an image or a group of frames have the same bits in any batch: the sums of a block have a fixed order, the
/// shape of a block depends on the frame's plan alone, and frames are merged in order.</summary>
/// <remarks>A call that fails returns its stream and memory to the device and leaves the engine usable. After a
/// failure of the device every later call throws.</remarks>
internal sealed class GpuEngine : ModelEngine
{
    private const int MaxConcurrentCalls = 4;
    private const long ArenaBytes = 256L << 20;
    private const long MaxWorkspaceBytes = 1L << 30;

    private readonly IDevice _device;
    private readonly KernelCompiler _compiler;
    private readonly bool _validateFeatures;
    private readonly Precision _precision;
    private readonly KernelLibrary _kernels;
    private readonly DeviceModel _model;
    private readonly OverflowReport _overflow;
    private readonly GridStore _grids;
    private readonly SemaphoreSlim _slots = new(MaxConcurrentCalls);
    private readonly Lock _allSlots = new();
    private readonly Stack<Workspace> _idle = new();
    private readonly long _workspaceBytes;
    private int _isDisposed;

    /// <param name="device">The device. The engine disposes it, also if the constructor throws.</param>
    /// <param name="compiler">Compiles kernels, some of them during later calls.</param>
    /// <param name="model">The model; not used afterwards.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="DeviceException">The device has too little memory, or failed.</exception>
    public GpuEngine(IDevice device, KernelCompiler compiler, ResamplerModel model, ResamplerOptions options)
    {
        _device = device;
        _compiler = compiler;
        _validateFeatures = options.ValidateFeatures;
        _workspaceBytes = Math.Min(MaxWorkspaceBytes, device.Properties.MemoryBytes / 16);
        _kernels = new KernelLibrary(device, compiler);
        try
        {
            if (options.WeightStorage != WeightStorage.Float32)
            {
                throw new NotSupportedException($"WeightStorage {options.WeightStorage}: expected Backend.Cpu, found " +
                    "a GPU, which keeps weights in the type of its precision; use WeightStorage.Float32");
            }

            _precision = Precisions.Choose(options.Precision, model, device.Properties);
            using (IDeviceStream stream = device.CreateStream())
            {
                _overflow = new OverflowReport(device, stream, _precision, model.Config.QueryGrid.QueryCount);
                _model = _precision is Precision.Float16 or Precision.BFloat16
                    ? new Bits16Model(device, _kernels, stream, model, _precision)
                    : new Float32Model(device, _kernels, stream, model, _precision == Precision.TensorFloat32);
                _model.Planned = options.Planned;
                stream.Synchronize();
            }

            _grids = new GridStore(device, _model, Math.Min(ArenaBytes, device.Properties.MemoryBytes / 64));
        }
        catch
        {
            Free();
            throw;
        }
    }

    public override string Description
        => $"{_device.Properties.Name} (sm_{_device.Properties.Architecture}), {Precisions.NameOf(_precision)}";

    public override string BackendName => "cuda";

    public override Precision Precision => _precision;

    public override IReadOnlyList<string> Warnings => _compiler.CacheProblem is { } problem ? [problem] : [];

    public override int ThreadCount => 1;

    /// <summary>The second call of a shape records its graph.</summary>
    public override int WarmUpCallCount => 2;

    public IDevice Device => _device;

    private ModelLayout Layout => _model.Layout;

    private ResamplerConfig Config => Layout.Config;

    public override ExecutionPlan Plan(PatchGrid grid) => _model.Plan(grid);

    public override void LoadKernels(CancellationToken cancellationToken)
    {
        // A slot keeps the device open.
        _slots.Wait(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed != 0, this);
            _kernels.Load(KernelLibrary.Of(Config, _precision, _device.Properties.Target), cancellationToken);
        }
        finally
        {
            _slots.Release();
        }
    }

    public override void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        Span<float> gate, CancellationToken cancellationToken)
    {
        // The features of a single batch are checked while they are copied.
        if (_validateFeatures && groups.GroupCount > 0
            && NextBatch(groups, firstGroup: 0).GroupCount < groups.GroupCount)
            FeatureCheck.Run(features, groups, Config.VisionHiddenSize);
        Workspace workspace = Rent(cancellationToken);
        bool isSound = false;
        try
        {
            int tokenLength = Layout.QueryCount * Config.OutputSize;
            int gateLength = gate.IsEmpty ? 0 : Layout.QueryCount * Layout.GateCount;
            int firstGroup = 0;
            while (groups.GroupCount > 0)
            {
                (int groupCount, int rowCount) = NextBatch(groups, firstGroup);
                Run(workspace, features[..(rowCount * Config.VisionHiddenSize)], groups.Slice(0, groupCount),
                    firstGroup, tokens[..(groupCount * tokenLength)], gate[..(groupCount * gateLength)],
                    explanation: null, cancellationToken);
                firstGroup += groupCount;
                features = features[(rowCount * Config.VisionHiddenSize)..];
                groups = groups.Slice(groupCount, groups.GroupCount - groupCount);
                tokens = tokens[(groupCount * tokenLength)..];
                gate = gate[(groupCount * gateLength)..];
            }

            isSound = true;
        }
        catch (Exception exception) when (exception is OperationCanceledException or InvalidFeaturesException)
        {
            isSound = true;
            throw;
        }
        finally
        {
            Return(workspace, isSound);
        }
    }

    /// <summary>Starts to compute tokens in the order of a stream of the caller.</summary>
    /// <inheritdoc cref="ResamplerCudaExtensions.Resample(Resampler, DeviceTensor, FrameGroups, DeviceTensor, nint)"/>
    public void Resample(DeviceTensor features, FrameGroups groups, DeviceTensor tokens, nint stream)
    {
        features.Check(nameof(features), _model.ElementType);
        tokens.Check(nameof(tokens), _model.ElementType);
        if (features.Overlaps(tokens))
        {
            throw new ArgumentException("expected tokens in memory of their own, found them overlapping the features",
                nameof(tokens));
        }

        if (groups.GroupCount == 0)
            return;
        _device.RefuseRecording(stream);
        Workspace workspace = Rent(CancellationToken.None);
        bool isSound = false;
        try
        {
            long tokenLength = (long)Layout.QueryCount * Config.OutputSize;
            int firstGroup = 0;
            while (groups.GroupCount > 0)
            {
                (int groupCount, int rowCount) = NextBatch(groups, firstGroup);
                Start(workspace, features, groups.Slice(0, groupCount), firstGroup, tokens, stream);
                firstGroup += groupCount;
                features = features.From((long)rowCount * Config.VisionHiddenSize);
                groups = groups.Slice(groupCount, groups.GroupCount - groupCount);
                tokens = tokens.From(groupCount * tokenLength);
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
            // A call that failed has disposed its workspace.
            using IDeviceStream? own = _idle.Count == 0 ? _device.CreateStream() : null;
            _overflow.ThrowIfAnyShared(own ?? _idle.Peek().Stream);
        }
        finally
        {
            _slots.Release(MaxConcurrentCalls);
        }
    }

    public override Explanation Explain(ReadOnlySpan<float> features, FrameGroups group,
        CancellationToken cancellationToken = default)
    {
        float[] tokens = new float[Layout.QueryCount * Config.OutputSize];
        float[] gate = new float[Layout.QueryCount * Layout.GateCount];
        Workspace workspace = Rent(cancellationToken);
        bool isSound = false;
        try
        {
            AttentionMaps maps = new(_device, _kernels, _model);
            Run(workspace, features, group, firstGroup: 0, tokens, gate, maps, cancellationToken);
            isSound = true;
            return new Explanation(group.Grids, Config, tokens, maps.Attention, gate);
        }
        catch (Exception exception) when (exception is OperationCanceledException or InvalidFeaturesException)
        {
            isSound = true;
            throw;
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
        try
        {
            Free();
        }
        finally
        {
            // Callers that wait for a slot wake up and find the engine disposed.
            _slots.Release(MaxConcurrentCalls);
        }
    }

    /// <summary>The groups that fit in a workspace together, at least one.</summary>
    /// <param name="groups">The groups that are left.</param>
    /// <param name="firstGroup">The number of the first of them in the call.</param>
    /// <exception cref="DeviceException">The first group has more patches than kernels can count.</exception>
    private (int GroupCount, int RowCount) NextBatch(FrameGroups groups, int firstGroup)
    {
        long rowCount = 0;
        long partCount = 0;
        int groupCount = 0;
        int frame = 0;
        while (groupCount < groups.GroupCount)
        {
            int frameCount = groups.FrameCountOf(groupCount);
            long rows = rowCount;
            foreach (PatchGrid grid in groups.Grids.Slice(frame, frameCount))
                rows += grid.PatchCount;
            long parts = partCount + (frameCount == 1 ? 0 : frameCount * (long)Layout.QueryCount);
            if (groupCount > 0 && BatchBytes(rows, groupCount + 1, parts) > _workspaceBytes)
                break;
            (rowCount, partCount) = (rows, parts);
            frame += frameCount;
            groupCount++;
        }

        if (Math.Max(rowCount, partCount) > int.MaxValue / 2)
        {
            throw new DeviceException($"{groups.Describe(0, firstGroup)}: expected at most {int.MaxValue / 2} " +
                $"patches, and frames times tokens, found {rowCount} and {partCount}: use fewer frames in a group");
        }

        return (groupCount, (int)rowCount);
    }

    private long BatchBytes(long rowCount, long groupCount, long partCount)
        => _model.ActivationBytes(rowCount, groupCount * Layout.QueryCount, partCount).Sum(DeviceView.Align);

    /// <summary>Computes a batch whose spans are on the host. An empty <paramref name="gate"/> is ignored.</summary>
    private void Run(Workspace workspace, ReadOnlySpan<float> features, FrameGroups groups, int firstGroup,
        Span<float> tokens, Span<float> gate, AttentionMaps? explanation, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        GridArena arena = _grids.Acquire(groups, workspace.Stream);
        bool isDone = false;
        try
        {
            Prepare(workspace, groups, arena);
            UploadFeatures(workspace, features, groups, cancellationToken);
            RunSteps(workspace, TokenTarget.Host, firstToken: 0, cancellationToken);
            DownloadTokens(workspace, tokens);
            _overflow.ThrowIfAny(workspace, groups, firstGroup);
            if (Config.Gate is null)
                gate.Fill(1);
            else if (!gate.IsEmpty)
                workspace.Download(Activation.Gates, MemoryMarshal.AsBytes(gate));
            explanation?.Read(workspace, groups, arena, cancellationToken);
            workspace.Settle();
            isDone = true;
        }
        finally
        {
            // After a failure, work may still read the arena. Otherwise all work was done before its results were read.
            if (!isDone)
            {
                workspace.Stream.Settle();
                workspace.Invalidate();
            }

            arena.Release();
        }
    }

    /// <summary>Starts a batch whose features and tokens are on the device.</summary>
    private void Start(Workspace workspace, DeviceTensor features, FrameGroups groups, int firstGroup,
        DeviceTensor tokens, nint callerStream)
    {
        GridArena arena = _grids.Acquire(groups, workspace.Stream);
        bool isStarted = false;
        try
        {
            // Before waiting for the caller's stream: what waits for the workspace's own work must not wait for the
            // caller's.
            Prepare(workspace, groups, arena);
            workspace.Stream.WaitFor(callerStream);
            _model.CopyFeatures(workspace.Batch, features, workspace.Stream);
            RunSteps(workspace,
                tokens.Type == DeviceElementType.Float32 ? TokenTarget.Device : TokenTarget.DeviceBits16,
                checked(firstGroup * Layout.QueryCount), CancellationToken.None);
            new RowCopy(workspace.Batch[Activation.Tokens].Address, tokens.BytesOf(Layout.Output.PaddedSize),
                (ulong)tokens.Address, tokens.BytesOf(Layout.Output.Size), tokens.BytesOf(Layout.Output.Size),
                workspace.Batch.TokenCount).Start(_kernels, workspace.Stream, _device.Properties);
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
                workspace.Stream.Settle();
                workspace.Invalidate();
                arena.Release();
            }
        }
    }

    private void Prepare(Workspace workspace, FrameGroups groups, GridArena arena)
    {
        if (!workspace.TrySelect(groups, arena))
            workspace.Lay(_model.PlanBatch(groups, arena), arena);
        else if (workspace.Batch.MergedGroupCount > 0)
            workspace.SetOffsets(_model.Offsets.StartsOf(groups, arena));
    }

    /// <param name="workspace">The workspace.</param>
    /// <param name="target">The destination of the tokens.</param>
    /// <param name="firstToken">The number that the overflow note uses for the first token of the batch. It is an
    /// argument of the last step: steps for any other number than 0 are not kept.</param>
    /// <param name="cancellationToken">Checked between launches; a graph is started as a whole.</param>
    private void RunSteps(Workspace workspace, TokenTarget target, int firstToken, CancellationToken cancellationToken)
    {
        if (firstToken > 0)
        {
            ForwardPass.Start(StepsOf(workspace.Batch, target, firstToken), _kernels, workspace.Stream,
                cancellationToken);
            return;
        }

        ForwardPass pass = workspace.PassFor(target);
        pass.Steps ??= StepsOf(workspace.Batch, target, firstToken);
        pass.Run(_kernels, workspace.Stream, cancellationToken);
    }

    private List<ForwardStep> StepsOf(Batch batch, TokenTarget target, int firstToken)
        => [.. _model.Steps(batch, new PassOptions(target, _overflow.NoteOf(batch, target), firstToken))];

    private unsafe void UploadFeatures(Workspace workspace, ReadOnlySpan<float> features,
        FrameGroups groups, CancellationToken cancellationToken)
    {
        int width = Config.VisionHiddenSize;
        int rowBytes = Layout.Channels.PaddedSize * Layout.ElementBytes;
        int rowCount = workspace.Batch.RowCount;
        float[] units = ArrayPool<float>.Shared.Rent(rowCount);
        bool isFinite = true;
        fixed (float* start = features, unitStart = units)
        {
            float* source = start;
            workspace.Upload(new HostRows(rowCount, rowBytes, (row, packed) =>
            {
                int count = packed.Length / rowBytes;
                if (!_model.PackFeatures(new ReadOnlySpan<float>(source + ((long)row * width), count * width), packed,
                    units.AsSpan(row, count)))
                {
                    isFinite = false;
                }
            }), Activation.Features, cancellationToken);
            if (workspace.Batch[Activation.FeatureUnits].ByteCount is var unitBytes and > 0)
            {
                workspace.Upload(HostRows.Of((byte*)unitStart, (int)unitBytes), Activation.FeatureUnits,
                    cancellationToken);
            }
        }

        ArrayPool<float>.Shared.Return(units);
        if (_validateFeatures && !isFinite)
            FeatureCheck.Run(features, groups, width);
    }

    /// <summary>Waits for the tokens of a batch, in float32, and copies them.</summary>
    private void DownloadTokens(Workspace workspace, Span<float> tokens)
    {
        int width = Layout.Output.Size;
        int stride = Layout.Output.PaddedSize;
        if (width == stride)
        {
            workspace.Download(Activation.Tokens, MemoryMarshal.AsBytes(tokens));
            return;
        }

        int rowCount = workspace.Batch.TokenCount;
        float[] padded = ArrayPool<float>.Shared.Rent(checked(rowCount * stride));
        workspace.Download(Activation.Tokens, MemoryMarshal.AsBytes(padded.AsSpan(0, rowCount * stride)));
        for (int row = 0; row < rowCount; row++)
            padded.AsSpan(row * stride, width).CopyTo(tokens[(row * width)..]);
        ArrayPool<float>.Shared.Return(padded);
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

            return new Workspace(_device);
        }
        catch
        {
            _slots.Release();
            throw;
        }
    }

    /// <summary>Keeps the workspace for the next call, or disposes it if its call failed.</summary>
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

    /// <summary>Waits until no call is running, and prevents calls from starting.</summary>
    private void TakeAllSlots()
    {
        // Two threads that held some slots each would deadlock.
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
        _overflow?.Dispose();
        _device.Dispose();
    }
}
