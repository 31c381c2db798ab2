using System.Buffers;
using MsResampler.Kernels.Compiler;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Engine;

/// <summary>A model on one device, in float32. An image's tokens are the same bit for bit in any batch: a block's sums
/// have a fixed order, and its shape depends on the image's plan alone.</summary>
/// <remarks>A call that fails gives its stream and memory back to the device and leaves the engine usable; if it was
/// the device that failed, every later call says so.</remarks>
internal sealed class GpuEngine : ModelEngine
{
    private const int MaxConcurrentCalls = 4;
    private const long ArenaBytes = 64L << 20;
    private const long MaxWorkspaceBytes = 1L << 30;

    private readonly IDevice _device;
    private readonly bool _validateFeatures;
    private readonly ModelLayout _layout;
    private readonly KernelLibrary _kernels;
    private readonly Planner _planner;
    private readonly ModelTensors _model;
    private readonly QuerySide? _querySide;
    private readonly IDeviceMemory? _queries;
    private readonly GridStore _grids;
    private readonly SemaphoreSlim _slots = new(MaxConcurrentCalls);
    private readonly Stack<Workspace> _idle = new();
    private readonly long _workspaceBytes;
    private readonly long _arenaBytes;
    private int _isDisposed;

    /// <param name="device">The device; the engine disposes it, also when this throws.</param>
    /// <param name="compiler">Compiles the kernels.</param>
    /// <param name="model">The model; not needed afterwards.</param>
    /// <param name="options">How to run.</param>
    /// <exception cref="DeviceException">The device has too little memory, or failed.</exception>
    public GpuEngine(IDevice device, KernelCompiler compiler, ResamplerModel model, ResamplerOptions options)
    {
        _device = device;
        _validateFeatures = options.ValidateFeatures;
        _layout = new ModelLayout(model.Config);
        _workspaceBytes = Math.Min(MaxWorkspaceBytes, device.Properties.MemoryBytes / 16);
        _arenaBytes = Math.Min(ArenaBytes, device.Properties.MemoryBytes / 64);
        try
        {
            _kernels = new KernelLibrary(device, compiler, _layout.Heads.SegmentVectors);
            CostModel costs = new([Attention.ScopeAttentionTiled<Attention.HeadTile64>.TileQueries], [1])
            {
                CanAbsorb = false,
            };
            _planner = new Planner(model.Config, model.Weights.KeyValueInput is not null, costs);
            Workspace workspace = new(device, _layout, _kernels);
            _idle.Push(workspace);
            _model = new ModelTensors(device, workspace.Stream, _layout, model.Weights);
            _querySide = new QuerySide(device, workspace.Stream, _layout, model.Weights);
            if (!_layout.HasAnchoredQueries)
            {
                _queries = device.Allocate((long)_layout.QueryVectors * DeviceView.VectorBytes);
                _querySide.Project(workspace.Launcher, default, DeviceView.OfVectors(_queries));
                _querySide.Dispose();
                _querySide = null;
            }

            _grids = new GridStore(device, _layout, _planner,
                [.. model.Weights.Scopes.Select(scope => scope.LogSigma?.ToDouble())],
                model.Weights.PositionTable?.ToSingle(), _querySide, _arenaBytes);
            workspace.Stream.Synchronize();
        }
        catch
        {
            Free();
            throw;
        }
    }

    public override string Description
        => $"{_device.Properties.Name} (sm_{_device.Properties.Architecture}), float32";

    public override int ThreadCount => 1;

    private ResamplerConfig Config => _layout.Config;

    public override ExecutionPlan Plan(PatchGrid grid) => _planner.Plan(grid);

    public override void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken)
    {
        if (_validateFeatures)
            FeatureScan.Check(features, grids, Config.VisionHiddenSize);
        Workspace workspace = Rent(cancellationToken);
        bool isSound = false;
        try
        {
            int tokenLength = _layout.QueryCount * Config.OutputSize;
            while (grids.Length > 0)
            {
                (int imageCount, int rowCount) = NextGroup(grids);
                Run(workspace, features[..(rowCount * Config.VisionHiddenSize)], grids[..imageCount], rowCount,
                    tokens[..(imageCount * tokenLength)], explanation: null, cancellationToken);
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

    public override Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        if (_validateFeatures)
            FeatureScan.Check(features, [grid], Config.VisionHiddenSize);
        float[] tokens = new float[_layout.QueryCount * Config.OutputSize];
        Workspace workspace = Rent(CancellationToken.None);
        bool isSound = false;
        try
        {
            Maps maps = new();
            Run(workspace, features, [grid], checked((int)grid.PatchCount), tokens, maps, CancellationToken.None);
            isSound = true;
            return new Explanation(grid, _layout.QueryCount, _layout.ScopeCount, Config.AttentionHeadCount,
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
        for (int slot = 0; slot < MaxConcurrentCalls; slot++)
            _slots.Wait();
        Free();
        // Whoever waits for a slot wakes up and finds the engine disposed.
        _slots.Release(MaxConcurrentCalls);
    }

    /// <summary>The images that fit in a workspace together, one at least.</summary>
    private (int ImageCount, int RowCount) NextGroup(ReadOnlySpan<PatchGrid> grids)
    {
        long rowCount = grids[0].PatchCount;
        int imageCount = 1;
        while (imageCount < grids.Length && Workspace.BytesOf(_layout, rowCount + grids[imageCount].PatchCount,
            imageCount + 1) <= _workspaceBytes)
        {
            rowCount += grids[imageCount++].PatchCount;
        }

        return (imageCount, checked((int)rowCount));
    }

    private void Run(Workspace workspace, ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, int rowCount,
        Span<float> tokens, Maps? explanation, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        GridArena arena = _grids.Acquire(grids, workspace.Launcher);
        bool isDone = false;
        try
        {
            workspace.Prepare(grids, arena, rowCount);
            UploadFeatures(workspace, features, rowCount);
            Compute(workspace, arena, rowCount, grids.Length * _layout.QueryCount, cancellationToken);
            DownloadTokens(workspace, tokens);
            explanation?.Read(this, workspace, arena, grids[0]);
            isDone = true;
        }
        finally
        {
            // Work whose results are unwanted may still read the arena; results that were read came after all work.
            if (!isDone)
                Settle(workspace.Stream);
            arena.Release();
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

    private void Compute(Workspace workspace, GridArena arena, int rowCount, int tokenCount,
        CancellationToken cancellationToken)
    {
        KernelLauncher launcher = workspace.Launcher;
        DeviceView operands = DeviceView.OfVectors(arena.Memory);
        int width = _layout.Width.Vectors;
        int heads = _layout.Heads.Vectors;
        DeviceView source = workspace.Features;
        if (_model.KeyValueInput is { } input)
        {
            source = workspace.Normal;
            launcher.Multiply(new Product
            {
                A = workspace.Features,
                AStride = _layout.Channels.Vectors,
                Weight = input.Weight,
                Bias = input.Bias,
                C = source,
                CRowStride = width,
                RowCount = rowCount,
                ColumnVectors = width,
                InnerVectors = _layout.Channels.Vectors,
            });
        }

        launcher.Normalise(_model.KeyValueNorm, Config.LayerNormEpsilon, source, width, workspace.Normal,
            Config.PositionEmbedding.Keys ? new RowPositions(operands, workspace.PositionStarts) : null,
            workspace.Positioned, rowCount, _layout.Width);
        cancellationToken.ThrowIfCancellationRequested();
        Product keys = new()
        {
            A = workspace.Positioned,
            AStride = width,
            Weight = _model.Keys.Weight,
            Bias = _model.Keys.Bias,
            C = workspace.Keys,
            CRowStride = 1,
            CColumnStride = rowCount,
            RowCount = rowCount,
            ColumnVectors = _layout.KeyScopeCount * heads,
            InnerVectors = width,
        };
        launcher.Multiply(keys);
        launcher.Multiply(keys with
        {
            A = workspace.Normal,
            Weight = _model.Values.Weight,
            Bias = _model.Values.Bias,
            C = workspace.Values,
            CRowStride = _layout.KeyScopeCount * heads,
            CColumnStride = 1,
        });
        cancellationToken.ThrowIfCancellationRequested();
        launcher.Attend(_layout, workspace.Blocks, workspace.BlockCount,
            _queries is null ? operands : DeviceView.OfVectors(_queries), workspace.Keys, workspace.Values,
            operands.AsScalars(), workspace.Attention, rowCount);
        cancellationToken.ThrowIfCancellationRequested();
        launcher.Multiply(new Product
        {
            Count = _layout.ScopeCount,
            A = workspace.Attention,
            AStride = _layout.ScopeCount * heads,
            ABatchStride = heads,
            Weight = _model.Outputs.Weight,
            Bias = _model.Outputs.Bias,
            C = workspace.Branches,
            CRowStride = _layout.Branches.Vectors,
            CBatchStride = width,
            RowCount = tokenCount,
            ColumnVectors = width,
            InnerVectors = heads,
        });
        Fuse(workspace, tokenCount);
        launcher.Multiply(new Product
        {
            A = workspace.Fused,
            AStride = width,
            Weight = _model.Projection.Weight,
            Bias = _model.Projection.Bias,
            C = workspace.Tokens,
            CRowStride = _layout.Output.Vectors,
            RowCount = tokenCount,
            ColumnVectors = _layout.Output.Vectors,
            InnerVectors = width,
        });
        cancellationToken.ThrowIfCancellationRequested();
    }

    private void Fuse(Workspace workspace, int tokenCount)
    {
        KernelLauncher launcher = workspace.Launcher;
        if (_model.GateHidden is not { } hidden)
        {
            launcher.Normalise(_model.PostNorm, Config.LayerNormEpsilon, workspace.Branches, _layout.Width.Vectors,
                workspace.Fused, null, default, tokenCount, _layout.Width);
            return;
        }

        launcher.Multiply(new Product
        {
            A = workspace.Branches,
            AStride = _layout.Branches.Vectors,
            Weight = hidden.Weight,
            Bias = hidden.Bias,
            C = workspace.Hidden,
            CRowStride = _layout.GateHidden.Vectors,
            RowCount = tokenCount,
            ColumnVectors = _layout.GateHidden.Vectors,
            InnerVectors = _layout.Branches.Vectors,
            HasGelu = true,
        });
        launcher.Fuse(_model, workspace.Hidden, workspace.Branches, workspace.Gates, workspace.Fused, tokenCount);
    }

    private void UploadFeatures(Workspace workspace, ReadOnlySpan<float> features, int rowCount)
    {
        int width = Config.VisionHiddenSize;
        int stride = 4 * _layout.Channels.Vectors;
        if (width == stride)
        {
            workspace.Upload(features, workspace.Features);
            return;
        }

        float[] padded = ArrayPool<float>.Shared.Rent(checked(rowCount * stride));
        for (int row = 0; row < rowCount; row++)
        {
            features.Slice(row * width, width).CopyTo(padded.AsSpan(row * stride));
            padded.AsSpan((row * stride) + width, stride - width).Clear();
        }

        workspace.Upload(padded.AsSpan(0, rowCount * stride), workspace.Features);
        ArrayPool<float>.Shared.Return(padded);
    }

    private void DownloadTokens(Workspace workspace, Span<float> tokens)
    {
        int width = Config.OutputSize;
        int stride = 4 * _layout.Output.Vectors;
        if (width == stride)
        {
            workspace.Download(workspace.Tokens, tokens);
            return;
        }

        int rowCount = tokens.Length / width;
        float[] padded = ArrayPool<float>.Shared.Rent(checked(rowCount * stride));
        workspace.Download(workspace.Tokens, padded.AsSpan(0, rowCount * stride));
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

            return new Workspace(_device, _layout, _kernels);
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

    private void Free()
    {
        while (_idle.TryPop(out Workspace? workspace))
            workspace.Dispose();
        _grids?.Dispose();
        _querySide?.Dispose();
        _queries?.Dispose();
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
            ModelLayout layout = engine._layout;
            Gate = new float[layout.QueryCount * layout.GateCount];
            if (engine._model.GateHidden is null)
                Array.Fill(Gate, 1);
            else
                workspace.Download(workspace.Gates, Gate);
            GridOperands operands = arena.Grids[grid];
            DeviceView arenaView = DeviceView.OfVectors(arena.Memory);
            long mapCount = (long)layout.Heads.SegmentCount * layout.QueryCount * grid.PatchCount;
            Attention = new float[layout.ScopeCount][];
            using IDeviceMemory maps = engine._device.Allocate(checked((int)mapCount) * (long)sizeof(float));
            for (int scope = 0; scope < layout.ScopeCount; scope++)
            {
                workspace.Launcher.Map(layout, scope, grid,
                    engine._queries is null ? arenaView : DeviceView.OfVectors(engine._queries),
                    engine._queries is null ? operands.QueryStart : 0, workspace.Keys, arenaView.AsScalars(),
                    operands.BiasTables[scope], new DeviceView(maps.Address, mapCount));
                Attention[scope] = new float[mapCount];
                workspace.Stream.Download(maps, System.Runtime.InteropServices.MemoryMarshal.AsBytes(
                    Attention[scope].AsSpan()));
            }
        }
    }
}
