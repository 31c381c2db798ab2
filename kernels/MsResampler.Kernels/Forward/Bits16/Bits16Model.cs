using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tiles;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>A model in float16 or bfloat16, on tensor cores: seven steps, or six with one scope.</summary>
/// <remarks>The query side, and the product of positions and k_proj, are computed in float32 once for a model or grid.
/// </remarks>
internal sealed class Bits16Model : DeviceModel
{
    private readonly IDevice _device;
    private readonly KernelLibrary _kernels;
    private readonly TensorType _type;
    private readonly TensorStore _tensors;
    private readonly float _maxUnit;
    private readonly Bits16Steps _steps;
    private readonly DeviceLinear _positionLayer;
    private readonly QuerySide? _querySide;
    private readonly IDeviceMemory? _queries;
    private readonly FrameOffsets _offsets;

    /// <param name="device">The device, of sm_80 or later.</param>
    /// <param name="kernels">Its kernels.</param>
    /// <param name="stream">Copies weights; the copies are complete when the constructor returns.</param>
    /// <param name="model">The model; not used afterwards.</param>
    /// <param name="precision">Float16 or BFloat16.</param>
    /// <exception cref="Float16OverflowException">A weight is outside the range of float16.</exception>
    public Bits16Model(IDevice device, KernelLibrary kernels, IDeviceStream stream, ResamplerModel model,
        Precision precision)
        : base(model, sizeof(ushort), ScopeSchedule.Costs)
    {
        _device = device;
        _kernels = kernels;
        (Bits16Kernels own, _type) = precision == Precision.Float16
            ? (Bits16Kernels.Float16, TensorType.F16) : (Bits16Kernels.BFloat16, TensorType.BF16);
        _tensors = new TensorStore(device, stream);
        try
        {
            float keyLimit = KeyLimit.Of(model.Config, model.Weights);
            Bits16Weights weights = new Bits16Upload(_tensors, Layout, model, _type).Run();
            _maxUnit = weights.MaxUnit;
            _steps = new Bits16Steps(Layout, weights, own, device.Properties, keyLimit);
            if (Layout.HasKeyPositions || model.Config.PositionEmbedding.Frames != FrameEmbeddingType.None)
            {
                _positionLayer = new DeviceLinear(
                    _tensors.Add(Layout.KeyScopeCount, scope => model.Weights.Scopes[scope].KeyProjection.Weight
                        .Pad(Layout.Heads, PositionWidth)),
                    _tensors.Add(new float[Layout.KeyScopeCount * Layout.Heads.PaddedSize]));
            }

            _querySide = new QuerySide(device, kernels, stream, model);
            // After a kv_proj the rows of Z lack the bias of the normalisation.
            _offsets = new FrameOffsets(device, kernels, model.Config, LogSigmas, new FrameOperands(Layout.Heads,
                _positionLayer,
                FrameOperands.BiasOf(Layout, model.Weights, hasShift: model.Weights.KeyValueInput is not null),
                _querySide.ReaderOf(stream)));
            if (!Layout.HasAnchoredQueries)
            {
                _queries = _tensors.Allocate((long)Layout.ProjectedQueries * sizeof(ushort));
                ProjectQueries(stream, default, _queries, 0);
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

    public override FrameOffsets Offsets => _offsets;

    public override DeviceElementType ElementType
        => _type == TensorType.F16 ? DeviceElementType.Float16 : DeviceElementType.BFloat16;

    /// <summary>D in float32.</summary>
    private PaddedAxis PositionWidth => new(Config.HiddenSize);

    public override GridOperands Lay(ExecutionPlan plan, long start) => new Bits16Grid(Layout, plan, LogSigmas, start);

    public override void Fill(IDeviceMemory arena, GridOperands operands, IDeviceStream stream)
    {
        var grid = (Bits16Grid)operands;
        Upload<int>(grid.Schedule.Places, grid.PlaceOffset);
        Upload<AxisWindow>(grid.Schedule.Windows, grid.WindowOffset);
        Upload<float>(grid.Schedule.Bias, grid.BiasOffset);
        Upload<MmaBlock>(grid.Scopes, grid.ScopeOffset);
        if (_querySide is not null)
            ProjectQueries(stream, grid.Plan.Grid, arena, grid.QueryOffset);
        if (grid.TableOffset is not { } table)
            return;
        using TensorStore scratch = new(_device, stream);
        int patchCount = (int)grid.Plan.Grid.PatchCount;
        CommonKernels.Multiply(new Product
        {
            A = scratch.Add(PatchPositions.Of(PositionWidth, Config, grid.Plan.Grid, StoredPositions)),
            AStride = PositionWidth.PaddedSize,
            Layer = _positionLayer,
            C = DeviceView.Of(arena).Slice(table, (long)patchCount * grid.TableWidth * sizeof(float)),
            CRowStride = grid.TableWidth,
            RowCount = patchCount,
            ColumnCount = grid.TableWidth,
            InnerSize = PositionWidth.PaddedSize,
        }, _device.Properties).Start(_kernels, stream);
        scratch.Complete();

        void Upload<T>(T[] values, long byteOffset)
            where T : unmanaged
        {
            if (values.Length > 0)
                stream.Upload(MemoryMarshal.AsBytes<T>(values), arena, byteOffset);
        }
    }

    /// <summary>Scales each row so that its largest feature is below 4, and rounds it: on the host what
    /// <see cref="ConvertRows{TSource, TStored, TElement}"/> does on the device.</summary>
    public override bool PackFeatures(ReadOnlySpan<float> features, Span<byte> packed, Span<float> units)
    {
        int width = Layout.Channels.Size;
        int stride = Layout.Channels.PaddedSize * sizeof(ushort);
        float[] scaled = ArrayPool<float>.Shared.Rent(width);
        bool isFinite = true;
        for (int row = 0; row < units.Length; row++)
        {
            ReadOnlySpan<float> source = features.Slice(row * width, width);
            float magnitude = Math.Abs(TensorPrimitives.MaxMagnitude(source));
            isFinite &= float.IsFinite(magnitude);
            units[row] = Math.Min(RowStatistics.InverseUnitOf(magnitude), _maxUnit);
            TensorPrimitives.Multiply(source, units[row], scaled);
            Span<byte> place = packed.Slice(row * stride, stride);
            ElementConversion.FromSingle(_type, scaled.AsSpan(0, width), place[..(width * sizeof(ushort))]);
            place[(width * sizeof(ushort))..].Clear();
        }

        ArrayPool<float>.Shared.Return(scaled);
        return isFinite;
    }

    public override void CopyFeatures(Batch batch, DeviceTensor features, IDeviceStream stream)
        => _steps.Convert(batch, new DeviceView((ulong)features.Address, features.BytesOf(features.Count)),
            features.Type == ElementType).Start(_kernels, stream);

    public override IEnumerable<ForwardStep> Steps(Batch batch, PassOptions options)
        => _steps.List(batch, QueriesIn(batch), options);

    public override KernelLaunch Map(Batch batch, FramePlace frame, int scope, DeviceView maps)
        => _steps.Map(batch, frame, scope, QueriesIn(batch), maps);

    public override void Dispose()
    {
        _querySide?.Dispose();
        _tensors.Dispose();
    }

    protected override bool StoresLogSums(long partCount) => true;

    protected override void SetOwnBytes(long[] sizes, long rowCount, long tokenCount)
    {
        sizes[(int)Activation.FeatureUnits] = rowCount * sizeof(float);
        sizes[(int)Activation.Squares] = Bits16Steps.SquareCount(Layout) * Bits16Steps.SquareStride(rowCount)
            * sizeof(float);
        sizes[(int)Activation.Keys] = (rowCount * 2 * Layout.KeyScopeCount * Layout.Heads.PaddedSize * sizeof(ushort))
            + (ScopeSchedule.ExtraVectors * DeviceVector.Bytes);
        sizes[(int)Activation.GateHidden] = tokenCount * Layout.ScopeCount * Layout.GateHidden.PaddedSize
            * sizeof(float);
    }

    protected override byte[] Schedule(GridOperands[] operands, int[] attendedStarts, out int blockCount)
        => Schedule(operands, attendedStarts, grid => ((Bits16Grid)grid).Blocks,
            (block, row, attended) => block with
            {
                FirstPatch = block.FirstPatch + row,
                FirstToken = block.FirstToken + attended,
            },
            block => ScopeSchedule.Duration(block), out blockCount);

    private DeviceView QueriesIn(Batch batch) => _queries is null ? batch.Arena : DeviceView.Of(_queries);

    /// <summary>Projects queries in float32 and rounds them, [S, M, heads].</summary>
    private void ProjectQueries(IDeviceStream stream, PatchGrid grid, IDeviceMemory destination, long byteOffset)
    {
        PaddedAxis source = new(Config.HeadSize, Config.AttentionHeadCount);
        int rowCount = Layout.ScopeCount * Layout.QueryCount;
        float[] single = _querySide!.Read(stream, grid);
        ushort[] rounded = new ushort[rowCount * Layout.Heads.PaddedSize];
        for (int head = 0; head < rowCount * Config.AttentionHeadCount; head++)
        {
            ElementConversion.FromSingle(_type,
                single.AsSpan(head * source.PaddedSegment, Config.HeadSize),
                MemoryMarshal.AsBytes(rounded.AsSpan(head * Layout.Heads.PaddedSegment, Config.HeadSize)));
        }

        // An infinite query would silently remove patches. In bfloat16 KeyLimit then makes every key NaN.
        if (_type == TensorType.F16
            && single.AsSpan().ContainsAnyExceptInRange(-MmaFloat16.Greatest, MmaFloat16.Greatest))
        {
            throw new Float16OverflowException("a projected query is outside the range of float16 (±65504): use " +
                "Precision.BFloat16 or Precision.Float32");
        }

        stream.Upload(MemoryMarshal.AsBytes<ushort>(rounded), destination, byteOffset);
    }
}
