using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>A model in float32, with matrix products in float32 or tf32.</summary>
internal sealed class Float32Model : DeviceModel
{
    private readonly KernelLibrary _kernels;
    private readonly DeviceProperties _device;
    private readonly TensorStore _tensors;
    private readonly Float32Steps _steps;
    private readonly QuerySide? _querySide;
    private readonly DeviceView? _queries;
    private readonly FrameOffsets _offsets;

    /// <param name="device">The device.</param>
    /// <param name="kernels">Its kernels.</param>
    /// <param name="stream">Copies weights; the copies are complete when the constructor returns.</param>
    /// <param name="model">The model; not used afterwards.</param>
    /// <param name="usesTensorCores">Whether matrix products are in tf32.</param>
    public Float32Model(IDevice device, KernelLibrary kernels, IDeviceStream stream, ResamplerModel model,
        bool usesTensorCores)
        : base(model, sizeof(float), Costs)
    {
        _kernels = kernels;
        _device = device.Properties;
        _tensors = new TensorStore(device, stream);
        try
        {
            Float32Weights weights = Float32Weights.Upload(_tensors, Layout, model.Weights, usesTensorCores);
            _steps = new Float32Steps(Layout, weights, device.Properties, usesTensorCores,
                KeyLimit.Of(model.Config, model.Weights));
            _querySide = new QuerySide(device, kernels, stream, model);
            _offsets = new FrameOffsets(device, kernels, model.Config, LogSigmas, new FrameOperands(Layout.Heads,
                weights.Keys, FrameOperands.BiasOf(Layout, model.Weights, hasShift: false),
                _querySide.ReaderOf(stream)));
            if (!Layout.HasAnchoredQueries)
            {
                _queries = DeviceView.Of(_tensors.Allocate((long)Layout.ProjectedQueries * sizeof(float)));
                _querySide.Project(stream, default, _queries.Value);
                _querySide.Dispose();
                _querySide = null;
            }

            _tensors.Complete();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The costs of the attention kernel.</summary>
    public static CostModel Costs { get; } = new([ScopeAttentionTiled<HeadTile64>.TileQueries], [1])
    {
        CanAbsorb = false,
    };

    public override FrameOffsets Offsets => _offsets;

    public override DeviceElementType ElementType => DeviceElementType.Float32;

    public override GridOperands Lay(ExecutionPlan plan, long start)
        => new Float32Grid(Layout, plan, LogSigmas, start);

    public override void Fill(IDeviceMemory arena, GridOperands operands, IDeviceStream stream)
    {
        var grid = (Float32Grid)operands;
        if (grid.TableOffset is { } table)
            Upload(PatchPositions.Of(Layout.Width, Config, grid.Plan.Grid, StoredPositions), table);
        Upload(grid.Bias(), grid.BiasOffset);
        _querySide?.Project(stream, grid.Plan.Grid, DeviceView.Of(arena).Slice(grid.QueryOffset,
            (long)Layout.ProjectedQueries * sizeof(float)));

        void Upload(float[] values, long byteOffset)
            => stream.Upload(MemoryMarshal.AsBytes<float>(values), arena, byteOffset);
    }

    public override bool PackFeatures(ReadOnlySpan<float> features, Span<byte> packed, Span<float> units)
    {
        int width = Layout.Channels.Size;
        int stride = Layout.Channels.PaddedSize;
        bool isFinite = true;
        for (Span<float> rows = MemoryMarshal.Cast<byte, float>(packed); rows.Length > 0; rows = rows[stride..])
        {
            features[..width].CopyTo(rows);
            isFinite &= TensorPrimitives.IsFiniteAll<float>(rows[..width]);
            rows[width..stride].Clear();
            features = features[width..];
        }

        return isFinite;
    }

    public override void CopyFeatures(Batch batch, DeviceTensor features, IDeviceStream stream)
        => new RowCopy((ulong)features.Address, features.BytesOf(Layout.Channels.Size),
            batch[Activation.Features].Address, features.BytesOf(Layout.Channels.PaddedSize),
            features.BytesOf(Layout.Channels.Size), batch.RowCount).Start(_kernels, stream, _device);

    public override IEnumerable<ForwardStep> Steps(Batch batch, PassOptions options)
        => _steps.List(batch, _queries ?? batch.Arena, options);

    public override KernelLaunch Map(Batch batch, FramePlace frame, int scope, DeviceView maps)
        => _steps.Map(batch, frame, scope, _queries ?? batch.Arena,
            _queries is null ? frame.Operands.QueryOffset : 0, maps);

    public override void Dispose()
    {
        _querySide?.Dispose();
        _tensors.Dispose();
    }

    protected override bool StoresLogSums(long partCount) => partCount > 0;

    protected override void SetOwnBytes(long[] sizes, long rowCount, long tokenCount)
    {
        long keys = rowCount * Layout.KeyScopeCount * Layout.Heads.PaddedSize * sizeof(float);
        sizes[(int)Activation.Keys] = keys;
        sizes[(int)Activation.Values] = keys;
        if (Layout.HasKeyPositions)
            sizes[(int)Activation.PositionedZ] = rowCount * Layout.Width.PaddedSize * sizeof(float);
        sizes[(int)Activation.GateHidden] = tokenCount * Layout.GateHidden.PaddedSize * sizeof(float);
    }

    protected override byte[] Schedule(GridOperands[] operands, int[] attendedStarts, out int blockCount)
        => Schedule(operands, attendedStarts, grid => ((Float32Grid)grid).Blocks,
            (block, row, attended) => block with { FirstKey = block.FirstKey + row, FirstToken = attended },
            block => block.KeyCount, out blockCount);
}
