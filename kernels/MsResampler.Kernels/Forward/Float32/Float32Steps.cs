using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>The steps of a forward pass in float32 or tf32.</summary>
/// <param name="layout">The model's layout.</param>
/// <param name="weights">Its weights.</param>
/// <param name="device">The device.</param>
/// <param name="usesTensorCores">Whether products are in tf32.</param>
/// <param name="keyLimit">The magnitude from which elements of keys become NaN (<see cref="KeyLimit"/>).</param>
internal sealed class Float32Steps(ModelLayout layout, Float32Weights weights, DeviceProperties device,
    bool usesTensorCores, float keyLimit)
{
    private readonly CommonOperands _operands = new(layout, weights);

    private bool HasPositions => layout.HasKeyPositions;

    private double Epsilon => layout.Config.LayerNormEpsilon;

    private int Width => layout.Width.PaddedSize;

    private int Heads => layout.Heads.PaddedSize;

    /// <summary>Lists the steps in order.</summary>
    /// <param name="batch">The operands.</param>
    /// <param name="queries">Projected queries of all scopes.</param>
    /// <param name="options">The destination of the tokens.</param>
    public IEnumerable<ForwardStep> List(Batch batch, DeviceView queries, PassOptions options)
    {
        if (weights.KeyValueInput is { } input)
            yield return Multiply(StageNames.KeyValueInput, _operands.Input(batch, input));
        yield return Normalise(StageNames.KeyValueNorm, InputNorm(batch));
        yield return Multiply(StageNames.Keys, Keys(batch));
        yield return Multiply(StageNames.Values, Values(batch));
        yield return Attend(batch, queries);
        if (batch.MergedGroupCount > 0)
            yield return _operands.Merge(batch, Float32Kernels.Merge);
        yield return Multiply(StageNames.Outputs, _operands.Outputs(batch));
        if (weights.GateHidden is { } hidden)
        {
            yield return Multiply(StageNames.GateHidden, GateHidden(batch, hidden));
            yield return Fuse(batch);
        }
        else
        {
            yield return Normalise(StageNames.PostNorm, _operands.PostNorm(batch));
        }

        yield return Multiply(StageNames.Projection, _operands.Projection(batch, options));
    }

    /// <summary>Computes the attention weights of one scope and frame in full, [A, M, N].</summary>
    /// <param name="batch">A batch whose forward pass was computed.</param>
    /// <param name="frame">The place of the frame in the batch.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="queries">Projected queries of all scopes.</param>
    /// <param name="queryOffset">Bytes before those of scope 0.</param>
    /// <param name="maps">Receives the weights.</param>
    public KernelLaunch Map(Batch batch, FramePlace frame, int scope, DeviceView queries, long queryOffset,
        DeviceView maps)
        => new(Float32Kernels.AttentionMap, new LaunchSize(layout.QueryCount, layout.Heads.SegmentCount, 32),
            (ref arguments) =>
            {
                BiasTable table = ((Float32Grid)frame.Operands).BiasTables[scope];
                PatchGrid patches = frame.Operands.Plan.Grid;
                arguments.Add(queries, batch[Activation.Keys], batch.Arena, maps);
                arguments.Add(new AttentionMapScope
                {
                    QueryStart = DeviceVector.IndexAt(queryOffset) + (scope * layout.QueryCount * Vectors(Heads)),
                    QueryColumns = layout.Config.QueryGrid.Columns,
                    HeadVectors = Vectors(layout.Heads.PaddedSegment),
                    KeyScope = layout.Config.ShareKeyValues ? 0 : scope,
                    FirstPatch = frame.FirstRow,
                    PatchStride = batch.RowCount,
                    GridRows = patches.Rows,
                    GridColumns = patches.Columns,
                    RowBias = table.Rows,
                    ColumnBias = table.Columns,
                    BiasHeadStride = table.HeadStride,
                });
            });

    private Normalisation InputNorm(Batch batch) => new()
    {
        Norm = weights.KeyValueNorm,
        Epsilon = Epsilon,
        Source = batch[weights.KeyValueInput is null ? Activation.Features : Activation.Z],
        Plain = batch[Activation.Z],
        Positions = !HasPositions ? null
            : new RowTable(batch.Arena, batch.RowStarts, Width, (double)batch.GridPatchCount * Width * sizeof(float)),
        Positioned = batch[Activation.PositionedZ],
        RowCount = batch.RowCount,
        Width = layout.Width,
    };

    /// <summary>Keys are stored transposed in quads of channels: a warp of the attention kernel reads the same
    /// four channels of 32 keys.</summary>
    private Product Keys(Batch batch) => new()
    {
        A = batch[HasPositions ? Activation.PositionedZ : Activation.Z],
        AStride = Width,
        Layer = weights.Keys,
        C = batch[Activation.Keys],
        CRowStride = 4,
        CColumnStride = 4 * batch.RowCount,
        RowCount = batch.RowCount,
        ColumnCount = layout.KeyScopeCount * Heads,
        InnerSize = Width,
        Limit = keyLimit,
    };

    private Product Values(Batch batch) => new()
    {
        A = batch[Activation.Z],
        AStride = Width,
        Layer = weights.Values,
        C = batch[Activation.Values],
        CRowStride = layout.KeyScopeCount * Heads,
        RowCount = batch.RowCount,
        ColumnCount = layout.KeyScopeCount * Heads,
        InnerSize = Width,
    };

    private ForwardStep Attend(Batch batch, DeviceView queries)
    {
        int headSize = layout.Heads.PaddedSegment;
        var kernel = Float32Kernels.AttentionFor(headSize, out int sliceSize);
        int slices = (headSize + sliceSize - 1) / sliceSize;
        KernelLaunch launch = new(kernel,
            new LaunchSize(batch.BlockCount, layout.Heads.SegmentCount * slices, kernel.BlockSize),
            (ref arguments) =>
            {
                arguments.Add(batch.Blocks, queries, batch[Activation.Keys], batch[Activation.Values], batch.Arena,
                    batch[Activation.Attended], batch[Activation.LogSums]);
                arguments.Add(layout.AttentionShape);
                arguments.Add(batch.RowCount, batch.MergedGroupCount > 0 ? 1 : 0);
            });
        return new ForwardStep(StageNames.Attention, launch,
            () => batch.AttentionWork(layout, plan => plan.Scopes.Sum(scope => scope.AttentionFlops),
                storesLogSums: batch.MergedGroupCount > 0));
    }

    private Product GateHidden(Batch batch, DeviceLinear hidden) => new()
    {
        A = batch[Activation.Branches],
        AStride = layout.Branches.PaddedSize,
        Layer = hidden,
        C = batch[Activation.GateHidden],
        CRowStride = layout.GateHidden.PaddedSize,
        RowCount = batch.TokenCount,
        ColumnCount = layout.GateHidden.PaddedSize,
        InnerSize = layout.Branches.PaddedSize,
        HasGelu = true,
    };

    private ForwardStep Fuse(Batch batch)
    {
        KernelLaunch launch = new(Float32Kernels.FusionGate, RowWarps.SizeFor(batch.TokenCount, device),
            (ref arguments) =>
            {
                arguments.Add(batch[Activation.GateHidden], weights.GateOutput.Weight, weights.GateOutput.Bias,
                    batch[Activation.Branches], weights.PostNorm.Weight, weights.PostNorm.Bias,
                    batch[Activation.Gates], batch[Activation.Fused]);
                arguments.Add(layout.FusionShape(batch.TokenCount));
            });
        return new ForwardStep(StageNames.GateFusion, launch, () => batch.FusionWork(layout, hiddenCount: 1));
    }

    private ForwardStep Multiply(string name, Product product)
        => new(name, usesTensorCores
            ? CommonKernels.MultiplyTensors(Float32Kernels.TensorGemm(product.HasGelu), product, device)
            : CommonKernels.Multiply(product, device), product.Work);

    private ForwardStep Normalise(string name, Normalisation rows)
        => new(name, CommonKernels.Normalise(rows, device), rows.Work);

    private static int Vectors(int elements) => DeviceVector.Count(elements, sizeof(float));
}
