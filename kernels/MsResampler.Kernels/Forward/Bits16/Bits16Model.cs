using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tiles;
using MsResampler.Model;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>A model in float16 or bfloat16, on tensor cores: seven launches a forward pass, six with one
/// scope.</summary>
/// <remarks>The query side, and what positions add to keys, are computed in float32, once a model or grid.</remarks>
internal sealed class Bits16Model : DeviceModel
{
    private readonly IDevice _device;
    private readonly KernelLibrary _library;
    private readonly Bits16Kernels _kernels;
    private readonly TensorType _type;
    private readonly ModelLayout _singleLayout;
    private readonly Bits16Weights? _weights;
    private readonly TensorStore? _tables;
    private readonly DeviceView _tableWeight;
    private readonly DeviceView _tableBias;
    private readonly QuerySide? _querySide;
    private readonly IDeviceMemory? _queries;
    private readonly float _keyLimit;

    /// <param name="device">The device, of sm_80 or later.</param>
    /// <param name="library">Its kernels.</param>
    /// <param name="stream">Copies weights; the copies are complete when this returns.</param>
    /// <param name="model">The model; not needed afterwards.</param>
    /// <param name="precision">Float16 or BFloat16.</param>
    /// <exception cref="Float16OverflowException">A weight is outside the range of float16.</exception>
    public Bits16Model(IDevice device, KernelLibrary library, IDeviceStream stream, ResamplerModel model,
        Precision precision)
        : base(device, stream, model, precision, groupSize: 8, ScopeSchedule.Costs)
    {
        _device = device;
        _library = library;
        (_kernels, _type) = precision == Precision.Float16
            ? (Bits16Kernels.Float16, TensorType.F16) : (Bits16Kernels.BFloat16, TensorType.BF16);
        _singleLayout = new ModelLayout(model.Config);
        try
        {
            _keyLimit = KeyLimit.Of(model.Config, model.Weights);
            _weights = new Bits16Weights(device, stream, Layout, model, _type);
            if (Config.PositionEmbedding.Keys)
            {
                _tables = new TensorStore(device, stream);
                _tableWeight = _tables.Add(Layout.KeyScopeCount, scope => PaddedAxis.Pad(
                    model.Weights.Scopes[scope].KeyProjection.Weight.ToSingle(), Layout.Heads, _singleLayout.Width));
                _tableBias = _tables.Add(new float[Layout.KeyScopeCount * Layout.Heads.PaddedSize]);
            }

            _querySide = new QuerySide(device, stream, _singleLayout, model.Weights);
            if (!Layout.HasAnchoredQueries)
            {
                _queries = device.Allocate((long)Layout.QueryVectors * DeviceView.VectorBytes);
                ProjectQueries(stream, default, _queries, 0);
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

    private int SquareCount => RowSquares.CountOf(Layout.Width.PaddedSize / 4);

    public override DeviceElementType ElementType
        => _type == TensorType.F16 ? DeviceElementType.Float16 : DeviceElementType.BFloat16;

    public override GridOperands Lay(ExecutionPlan plan, long start) => new Bits16Grid(Layout, plan, LogSigmas, start);

    public override void Fill(IDeviceMemory arena, GridOperands operands, IDeviceStream stream)
    {
        var grid = (Bits16Grid)operands;
        Upload<int>(grid.Schedule.Places, grid.PlaceStart);
        Upload<AxisWindow>(grid.Schedule.Windows, grid.WindowStart);
        Upload<float>(grid.Schedule.Bias, grid.BiasStart);
        Upload<MmaBlock>(grid.Scopes, grid.ScopeStart);
        if (_querySide is not null)
            ProjectQueries(stream, grid.Plan.Grid, arena, (long)grid.QueryStart * DeviceView.VectorBytes);
        if (grid.TableStart is not { } table)
            return;
        using TensorStore scratch = new(_device, stream);
        new Float32Launcher(_library, stream).Multiply(new Product
        {
            A = scratch.Add(PatchPositions.Of(_singleLayout.Width, Config.QueryGrid, grid.Plan.Grid, StoredPositions)),
            AStride = _singleLayout.Width.Vectors,
            Weight = _tableWeight,
            Bias = _tableBias,
            C = DeviceView.OfVectors(arena).From(table, grid.Plan.Grid.PatchCount * grid.TableStride),
            CRowStride = grid.TableStride,
            RowCount = (int)grid.Plan.Grid.PatchCount,
            ColumnVectors = grid.TableStride,
            InnerVectors = _singleLayout.Width.Vectors,
        });
        stream.Synchronize();

        void Upload<T>(T[] values, long start)
            where T : unmanaged
        {
            if (values.Length > 0)
                stream.Upload(MemoryMarshal.AsBytes<T>(values), arena, start * DeviceView.VectorBytes);
        }
    }

    public override byte[] Schedule(ReadOnlySpan<PatchGrid> grids, GridArena arena, out int blockCount)
        => Schedule(grids, grid => ((Bits16Grid)arena.Grids[grid]).Blocks,
            (block, row, token) => block with { FirstPatch = block.FirstPatch + row, FirstToken = block.FirstToken + token },
            block => ScopeSchedule.Duration(block), out blockCount);

    public override void UploadFeatures(Workspace workspace, ReadOnlySpan<float> features)
    {
        int width = Config.VisionHiddenSize;
        int stride = Layout.Channels.PaddedSize;
        int rowCount = workspace.RowCount;
        int byteCount = checked((int)((FeatureVectors(rowCount) + FeatureTail(rowCount)) * DeviceView.VectorBytes));
        byte[] bytes = ArrayPool<byte>.Shared.Rent(byteCount);
        float[] scaled = ArrayPool<float>.Shared.Rent(width);
        Span<byte> target = bytes.AsSpan(0, byteCount);
        Span<float> units = MemoryMarshal.Cast<byte, float>(
            target[(int)(FeatureVectors(rowCount) * DeviceView.VectorBytes)..]);
        for (int row = 0; row < rowCount; row++)
        {
            // As ConvertRows does on the device.
            ReadOnlySpan<float> source = features.Slice(row * width, width);
            float magnitude = Math.Abs(TensorPrimitives.MaxMagnitude(source));
            units[row] = Math.Min(RowStatistics.InverseUnitOf(magnitude), _weights!.MaxUnit);
            TensorPrimitives.Multiply(source, units[row], scaled);
            Span<byte> place = target.Slice(row * stride * sizeof(ushort), stride * sizeof(ushort));
            ElementConversion.FromSingle(_type, scaled.AsSpan(0, width), place[..(width * sizeof(ushort))]);
            place[(width * sizeof(ushort))..].Clear();
        }

        workspace.Upload(target, workspace.Part(Part.Features));
        ArrayPool<float>.Shared.Return(scaled);
        ArrayPool<byte>.Shared.Return(bytes);
    }

    public override void CopyFeatures(Workspace workspace, DeviceTensor features)
        => new Bits16Launcher(_library, _kernels, workspace.Stream).Convert(
            new DeviceView((ulong)features.Address, features.Count), features.Type == ElementType,
            workspace.Part(Part.Features), UnitsOf(workspace), workspace.RowCount, Layout.Channels, _weights!.MaxUnit);

    public override void Compute(Workspace workspace, GridArena arena, TokenTarget target, int firstToken,
        CancellationToken cancellationToken)
    {
        Bits16Weights weights = _weights!;
        Bits16Launcher launcher = new(_library, _kernels, workspace.Stream);
        int rowCount = workspace.RowCount;
        int tokenCount = workspace.TokenCount;
        int width = Layout.Width.Vectors;
        int heads = Layout.Heads.Vectors;
        DeviceView features = workspace.Part(Part.Features);
        DeviceView z = workspace.Part(Part.Normal);
        RowScale scale = default;
        if (weights.KeyValueInput is { } input)
        {
            scale = new RowScale(workspace.Part(OwnPart.Squares).AsScalars(), UnitsOf(workspace),
                (int)SquareStride(rowCount), SquareCount, Layout.Width.Size, weights.RootEpsilon);
            launcher.Multiply(_kernels.SquaresGemm, new Product
            {
                A = features,
                AStride = Layout.Channels.Vectors,
                Weight = input.Weight,
                Bias = input.Bias,
                C = z,
                CRowStride = Layout.Width.PaddedSize / 4,
                RowCount = rowCount,
                ColumnVectors = Layout.Width.PaddedSize / 4,
                InnerVectors = Layout.Channels.Vectors,
            }, scale);
        }
        else
        {
            launcher.Normalise(weights.KeyValueNorm, Config.LayerNormEpsilon, features, UnitsOf(workspace), z, rowCount,
                Layout.Width);
        }

        cancellationToken.ThrowIfCancellationRequested();
        int keyColumns = Layout.KeyScopeCount * Layout.Heads.PaddedSize / 4;
        launcher.Multiply(_kernels.ScaledGemm, new Product
        {
            A = z,
            AStride = width,
            Weight = weights.KeyValues.Weight,
            Bias = weights.KeyValues.Bias,
            C = workspace.Part(OwnPart.KeyValues),
            CRowStride = 2 * keyColumns,
            RowCount = rowCount,
            ColumnVectors = 2 * keyColumns,
            InnerVectors = width,
            Limit = _keyLimit,
        }, scale, Config.PositionEmbedding.Keys
            ? new RowTable(DeviceView.OfVectors(arena.Memory), workspace.RowStarts, keyColumns) : default);
        cancellationToken.ThrowIfCancellationRequested();
        launcher.Attend(Layout, workspace, Queries(arena), arena.Memory, workspace.Part(OwnPart.KeyValues),
            workspace.Part(Part.Attention), workspace.Part(OwnPart.LogSums).AsScalars());
        cancellationToken.ThrowIfCancellationRequested();
        launcher.Multiply(_kernels.Gemm, new Product
        {
            Count = Layout.ScopeCount,
            A = workspace.Part(Part.Attention),
            AStride = Layout.ScopeCount * heads,
            ABatchStride = heads,
            Weight = weights.Outputs.Weight,
            Bias = weights.Outputs.Bias,
            C = workspace.Part(Part.Branches),
            CRowStride = Layout.Branches.PaddedSize / 4,
            CBatchStride = Layout.Width.PaddedSize / 4,
            RowCount = tokenCount,
            ColumnVectors = Layout.Width.PaddedSize / 4,
            InnerVectors = heads,
        });
        Fuse(launcher, workspace, tokenCount);
        launcher.Multiply(target == TokenTarget.DeviceBits16 ? _kernels.Gemm : _kernels.Float32Gemm, new Product
        {
            A = workspace.Part(Part.Fused),
            AStride = width,
            Weight = weights.Projection.Weight,
            Bias = weights.Projection.Bias,
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
        var grid = (Bits16Grid)arena.Grids[workspace.Grids[0]];
        new Bits16Launcher(_library, _kernels, workspace.Stream).Map(Layout, grid, scope,
            Queries(arena), arena.Memory, workspace.Part(OwnPart.KeyValues), workspace.Part(OwnPart.LogSums).AsScalars(), maps);
    }

    public override void Dispose()
    {
        _querySide?.Dispose();
        _queries?.Dispose();
        _tables?.Dispose();
        _weights?.Dispose();
        base.Dispose();
    }

    protected override long[] OwnParts(long rowCount, long tokenCount) =>
    [
        SquareCount * SquareStride(rowCount) / 4,
        rowCount * 2 * Layout.KeyScopeCount * Layout.Heads.Vectors,
        ((tokenCount * Layout.ScopeCount * Config.AttentionHeadCount) + 3) / 4,
        tokenCount * Layout.ScopeCount * Layout.GateHidden.Vectors,
    ];

    /// <summary>What each row of features was multiplied by, float32.</summary>
    protected override long FeatureTail(long rowCount) => (rowCount + 3) / 4;

    /// <summary>Elements from one sum of a row's squares to the next: whole sectors.</summary>
    private static long SquareStride(long rowCount) => (rowCount + 7) & ~7;

    private DeviceView UnitsOf(Workspace workspace) => workspace.Part(Part.Features)
        .From(FeatureVectors(workspace.RowCount), FeatureTail(workspace.RowCount)).AsScalars();

    private DeviceView Queries(GridArena arena) => DeviceView.OfVectors(_queries ?? arena.Memory);

    /// <summary>Projects queries in float32 and rounds them, [S][M, heads].</summary>
    private void ProjectQueries(IDeviceStream stream, PatchGrid grid, IDeviceMemory destination, long byteOffset)
    {
        PaddedAxis source = new(Config.HeadSize, Config.AttentionHeadCount);
        int rowCount = Layout.ScopeCount * Layout.QueryCount;
        float[] single = new float[rowCount * source.PaddedSize];
        using (IDeviceMemory memory = _device.Allocate((long)single.Length * sizeof(float)))
        {
            _querySide!.Project(new Float32Launcher(_library, stream), grid, DeviceView.OfVectors(memory));
            stream.Download(memory, MemoryMarshal.AsBytes(single.AsSpan()));
        }

        ushort[] rounded = new ushort[rowCount * Layout.Heads.PaddedSize];
        for (int head = 0; head < rowCount * Config.AttentionHeadCount; head++)
        {
            ElementConversion.FromSingle(_type,
                single.AsSpan(head * 4 * source.SegmentVectors, Config.HeadSize),
                MemoryMarshal.AsBytes(rounded.AsSpan(head * 8 * Layout.Heads.SegmentVectors, Config.HeadSize)));
        }

        // One that is infinite would take patches away without a word. In bfloat16 no key is finite then, by KeyLimit.
        if (_type == TensorType.F16 && single.AsSpan().ContainsAnyExceptInRange(-MmaFloat16.Greatest, MmaFloat16.Greatest))
        {
            throw new Float16OverflowException("a projected query is outside the range of float16 (±65504): use " +
                "Precision.BFloat16 or Precision.Float32");
        }

        stream.Upload(MemoryMarshal.AsBytes<ushort>(rounded), destination, byteOffset);
    }

    private void Fuse(Bits16Launcher launcher, Workspace workspace, int tokenCount)
    {
        Bits16Weights weights = _weights!;
        DeviceView branches = workspace.Part(Part.Branches);
        if (weights.GateHidden is not { } hidden)
        {
            launcher.Normalise(weights.PostNorm, Config.LayerNormEpsilon, branches, default, workspace.Part(Part.Fused),
                tokenCount, Layout.Width);
            return;
        }

        // Split over the scopes, whose partial sums the gate adds up: as one product it would be long, and have blocks for
        // few multiprocessors.
        launcher.Multiply(_kernels.Float32Gemm, new Product
        {
            Count = Layout.ScopeCount,
            A = branches,
            AStride = Layout.Branches.Vectors,
            ABatchStride = Layout.Width.Vectors,
            Weight = hidden.Weight,
            WStride = Layout.Branches.Vectors,
            WBatchStride = Layout.Width.Vectors,
            Bias = weights.NoBias,
            C = workspace.Part(OwnPart.Hidden),
            CRowStride = Layout.GateHidden.Vectors,
            CBatchStride = tokenCount * Layout.GateHidden.Vectors,
            RowCount = tokenCount,
            ColumnVectors = Layout.GateHidden.Vectors,
            InnerVectors = Layout.Width.Vectors,
        });
        launcher.Fuse(Layout, weights, workspace.Part(OwnPart.Hidden), branches,
            workspace.Part(Part.Gates).AsScalars(), workspace.Part(Part.Fused), tokenCount);
    }

    /// <summary>The parts of a workspace beside those of every precision. Z has mean 0 there, but is not yet divided by
    /// its deviation where there is a kv_proj.</summary>
    private static class OwnPart
    {
        /// <summary>Sums of squares of Z's rows, float32, [D/32][rows].</summary>
        public const int Squares = Part.Count;

        /// <summary>Keys and values, [rows, 2, scopes, heads].</summary>
        public const int KeyValues = Part.Count + 1;

        /// <summary>Logarithms of sums of weights, float32, [tokens, S, A].</summary>
        public const int LogSums = Part.Count + 2;

        /// <summary>Partial sums of the gate's hidden layer, float32, [S][tokens, G].</summary>
        public const int Hidden = Part.Count + 3;
    }
}
