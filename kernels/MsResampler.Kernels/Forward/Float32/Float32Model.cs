using System.Buffers;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Device;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>A model in float32, with products made exactly or in tf32.</summary>
internal sealed class Float32Model : DeviceModel
{
    private readonly KernelLibrary _kernels;
    private readonly bool _usesTensorCores;
    private readonly Float32Weights? _weights;
    private readonly QuerySide? _querySide;
    private readonly IDeviceMemory? _queries;
    private readonly float _keyLimit;

    /// <param name="device">The device.</param>
    /// <param name="kernels">Its kernels.</param>
    /// <param name="stream">Copies weights; the copies are complete when this returns.</param>
    /// <param name="model">The model; not needed afterwards.</param>
    /// <param name="usesTensorCores">Whether products are made in tf32.</param>
    public Float32Model(IDevice device, KernelLibrary kernels, IDeviceStream stream, ResamplerModel model,
        bool usesTensorCores)
        : base(device, stream, model, usesTensorCores ? Precision.TensorFloat32 : Precision.Float32, groupSize: 4,
            new CostModel([ScopeAttentionTiled<HeadTile64>.TileQueries], [1])
            {
                CanAbsorb = false,
            })
    {
        _kernels = kernels;
        _usesTensorCores = usesTensorCores;
        _keyLimit = KeyLimit.Of(model.Config, model.Weights);
        try
        {
            _weights = new Float32Weights(device, stream, Layout, model.Weights);
            _querySide = new QuerySide(device, stream, Layout, model.Weights);
            if (!Layout.HasAnchoredQueries)
            {
                _queries = device.Allocate((long)Layout.QueryVectors * DeviceView.VectorBytes);
                _querySide.Project(new Float32Launcher(kernels, stream), default, DeviceView.OfVectors(_queries));
                _querySide.Dispose();
                _querySide = null;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override DeviceElementType ElementType => DeviceElementType.Float32;

    public override GridOperands Lay(ExecutionPlan plan, long start)
        => new Float32Grid(Layout, plan, LogSigmas, start);

    public override void Fill(IDeviceMemory arena, GridOperands operands, IDeviceStream stream)
    {
        var grid = (Float32Grid)operands;
        if (grid.TableStart is { } table)
            Upload(PatchPositions.Of(Layout.Width, Config.QueryGrid, grid.Plan.Grid, StoredPositions), table);
        Upload(grid.Bias(), grid.BiasStart);
        _querySide?.Project(new Float32Launcher(_kernels, stream), grid.Plan.Grid,
            DeviceView.OfVectors(arena).From(grid.QueryStart, Layout.QueryVectors));

        void Upload(float[] values, long start)
            => stream.Upload(MemoryMarshal.AsBytes<float>(values), arena, start * DeviceView.VectorBytes);
    }

    public override byte[] Schedule(ReadOnlySpan<PatchGrid> grids, GridArena arena, out int blockCount)
        => Schedule(grids, grid => ((Float32Grid)arena.Grids[grid]).Blocks,
            (block, row, token) => block with { FirstKey = block.FirstKey + row, FirstToken = token },
            block => block.KeyCount, out blockCount);

    public override void UploadFeatures(Workspace workspace, ReadOnlySpan<float> features)
    {
        int width = Config.VisionHiddenSize;
        int stride = Layout.Channels.PaddedSize;
        if (width == stride)
        {
            workspace.Upload(MemoryMarshal.AsBytes(features), workspace.Part(Part.Features));
            return;
        }

        int rowCount = workspace.RowCount;
        float[] padded = ArrayPool<float>.Shared.Rent(checked(rowCount * stride));
        for (int row = 0; row < rowCount; row++)
        {
            features.Slice(row * width, width).CopyTo(padded.AsSpan(row * stride));
            padded.AsSpan((row * stride) + width, stride - width).Clear();
        }

        workspace.Upload(MemoryMarshal.AsBytes(padded.AsSpan(0, rowCount * stride)), workspace.Part(Part.Features));
        ArrayPool<float>.Shared.Return(padded);
    }

    public override void Compute(Workspace workspace, GridArena arena, TokenTarget target, int firstToken,
        CancellationToken cancellationToken)
    {
        Float32Launcher launcher = new(_kernels, workspace.Stream, _usesTensorCores);
        int rowCount = workspace.RowCount;
        int tokenCount = workspace.TokenCount;
        DeviceView operands = DeviceView.OfVectors(arena.Memory);
        DeviceView normal = workspace.Part(Part.Normal);
        DeviceView positioned = workspace.Part(Config.PositionEmbedding.Keys ? OwnPart.Positioned : Part.Normal);
        int width = Layout.Width.Vectors;
        int heads = Layout.Heads.Vectors;
        DeviceView source = workspace.Part(Part.Features);
        if (_weights!.KeyValueInput is { } input)
        {
            launcher.Multiply(new Product
            {
                A = source,
                AStride = Layout.Channels.Vectors,
                Weight = input.Weight,
                Bias = input.Bias,
                C = normal,
                CRowStride = width,
                RowCount = rowCount,
                ColumnVectors = width,
                InnerVectors = Layout.Channels.Vectors,
            });
            source = normal;
        }

        launcher.Normalise(_weights.KeyValueNorm, Config.LayerNormEpsilon, source, width, normal,
            Config.PositionEmbedding.Keys ? new RowPositions(operands, workspace.RowStarts) : null, positioned, rowCount,
            Layout.Width);
        cancellationToken.ThrowIfCancellationRequested();
        Product keys = new()
        {
            A = positioned,
            AStride = width,
            Weight = _weights.Keys.Weight,
            Bias = _weights.Keys.Bias,
            C = workspace.Part(OwnPart.Keys),
            CRowStride = 1,
            CColumnStride = rowCount,
            RowCount = rowCount,
            ColumnVectors = Layout.KeyScopeCount * heads,
            InnerVectors = width,
            Limit = _keyLimit,
        };
        launcher.Multiply(keys);
        launcher.Multiply(keys with
        {
            A = normal,
            Weight = _weights.Values.Weight,
            Bias = _weights.Values.Bias,
            C = workspace.Part(OwnPart.Values),
            CRowStride = Layout.KeyScopeCount * heads,
            CColumnStride = 1,
            Limit = float.PositiveInfinity,
        });
        cancellationToken.ThrowIfCancellationRequested();
        launcher.Attend(Layout, workspace.Blocks, workspace.BlockCount, Queries(arena), workspace.Part(OwnPart.Keys),
            workspace.Part(OwnPart.Values), operands.AsScalars(), workspace.Part(Part.Attention), rowCount);
        cancellationToken.ThrowIfCancellationRequested();
        launcher.Multiply(new Product
        {
            Count = Layout.ScopeCount,
            A = workspace.Part(Part.Attention),
            AStride = Layout.ScopeCount * heads,
            ABatchStride = heads,
            Weight = _weights.Outputs.Weight,
            Bias = _weights.Outputs.Bias,
            C = workspace.Part(Part.Branches),
            CRowStride = Layout.Branches.Vectors,
            CBatchStride = width,
            RowCount = tokenCount,
            ColumnVectors = width,
            InnerVectors = heads,
        });
        Fuse(launcher, workspace, tokenCount);
        launcher.Multiply(new Product
        {
            A = workspace.Part(Part.Fused),
            AStride = width,
            Weight = _weights.Projection.Weight,
            Bias = _weights.Projection.Bias,
            C = workspace.Part(Part.Tokens),
            CRowStride = Layout.Output.Vectors,
            RowCount = tokenCount,
            ColumnVectors = Layout.Output.Vectors,
            InnerVectors = width,
            Note = NoteOf(workspace, target),
            FirstNoted = firstToken,
        });
        cancellationToken.ThrowIfCancellationRequested();
    }

    public override DeviceView? Gates(Workspace workspace)
        => _weights!.GateHidden is null ? null : workspace.Part(Part.Gates);

    public override void Map(Workspace workspace, GridArena arena, int scope, DeviceView maps)
    {
        PatchGrid grid = workspace.Grids[0];
        var operands = (Float32Grid)arena.Grids[grid];
        new Float32Launcher(_kernels, workspace.Stream).Map(Layout, scope, grid, Queries(arena),
            _queries is null ? operands.QueryStart : 0, workspace.Part(OwnPart.Keys),
            DeviceView.OfVectors(arena.Memory).AsScalars(), operands.BiasTables[scope], maps);
    }

    public override void Dispose()
    {
        _querySide?.Dispose();
        _queries?.Dispose();
        _weights?.Dispose();
        base.Dispose();
    }

    protected override long[] OwnParts(long rowCount, long tokenCount)
    {
        long keyVectors = rowCount * Layout.KeyScopeCount * Layout.Heads.Vectors;
        return
        [
            Config.PositionEmbedding.Keys ? rowCount * Layout.Width.Vectors : 0, keyVectors, keyVectors,
            tokenCount * Layout.GateHidden.Vectors,
        ];
    }

    private DeviceView Queries(GridArena arena) => DeviceView.OfVectors(_queries ?? arena.Memory);

    private void Fuse(Float32Launcher launcher, Workspace workspace, int tokenCount)
    {
        DeviceView branches = workspace.Part(Part.Branches);
        if (_weights!.GateHidden is not { } hidden)
        {
            launcher.Normalise(_weights.PostNorm, Config.LayerNormEpsilon, branches, Layout.Width.Vectors,
                workspace.Part(Part.Fused), null, default, tokenCount, Layout.Width);
            return;
        }

        launcher.Multiply(new Product
        {
            A = branches,
            AStride = Layout.Branches.Vectors,
            Weight = hidden.Weight,
            Bias = hidden.Bias,
            C = workspace.Part(OwnPart.Hidden),
            CRowStride = Layout.GateHidden.Vectors,
            RowCount = tokenCount,
            ColumnVectors = Layout.GateHidden.Vectors,
            InnerVectors = Layout.Branches.Vectors,
            HasGelu = true,
        });
        launcher.Fuse(_weights, workspace.Part(OwnPart.Hidden), branches, workspace.Part(Part.Gates).AsScalars(),
            workspace.Part(Part.Fused), tokenCount);
    }

    /// <summary>The parts of a workspace beside those of every precision.</summary>
    private static class OwnPart
    {
        /// <summary>Z with positions, [rows, D].</summary>
        public const int Positioned = Part.Count;

        /// <summary>Keys, [scopes, heads, d/4][rows].</summary>
        public const int Keys = Part.Count + 1;

        /// <summary>Values, [rows, scopes, heads].</summary>
        public const int Values = Part.Count + 2;

        /// <summary>The gate's hidden layer, [tokens, G].</summary>
        public const int Hidden = Part.Count + 3;
    }
}
