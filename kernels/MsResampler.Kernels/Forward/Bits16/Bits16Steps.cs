using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>The steps of a forward pass in float16 or bfloat16, on tensor cores.</summary>
/// <param name="layout">The model's layout.</param>
/// <param name="weights">Its weights.</param>
/// <param name="kernels">The kernels of its type.</param>
/// <param name="device">The device.</param>
/// <param name="keyLimit">The magnitude from which elements of keys become NaN (<see cref="KeyLimit"/>).</param>
internal sealed class Bits16Steps(ModelLayout layout, Bits16Weights weights, Bits16Kernels kernels,
    DeviceProperties device, float keyLimit)
{
    private readonly CommonOperands _operands = new(layout, weights);

    private int Width => layout.Width.PaddedSize;

    private int Heads => layout.Heads.PaddedSize;

    /// <summary>Keys of all scopes, for one patch.</summary>
    private int KeyWidth => layout.KeyScopeCount * Heads;

    /// <summary>Lists the steps in order.</summary>
    /// <param name="batch">The operands.</param>
    /// <param name="queries">Projected queries of all scopes.</param>
    /// <param name="options">The destination of the tokens.</param>
    public IEnumerable<ForwardStep> List(Batch batch, DeviceView queries, PassOptions options)
    {
        if (weights.KeyValueInput is { } input)
        {
            yield return Multiply(StageNames.KeyValueInput, kernels.SquaresGemm,
                _operands.Input(batch, input) with { Scale = ScaleOf(batch) with { IsStored = true } });
        }
        else
        {
            yield return Normalise(StageNames.KeyValueNorm, InputNorm(batch));
        }

        yield return Multiply($"{StageNames.Keys}, {StageNames.Values}", kernels.ScaledGemm, KeyValues(batch));
        yield return Attend(batch, queries);
        if (batch.MergedGroupCount > 0)
            yield return _operands.Merge(batch, kernels.Merge);
        yield return Multiply(StageNames.Outputs, kernels.Gemm, _operands.Outputs(batch));
        if (weights.GateHidden is { } hidden)
        {
            yield return Multiply(StageNames.GateHidden, kernels.Float32Gemm, GateHidden(batch, hidden));
            yield return Fuse(batch);
        }
        else
        {
            yield return Normalise(StageNames.PostNorm, _operands.PostNorm(batch));
        }

        bool isBits16 = options.Target == TokenTarget.DeviceBits16;
        yield return Multiply(StageNames.Projection, isBits16 ? kernels.Gemm : kernels.Float32Gemm,
            _operands.Projection(batch, options) with { OutputBytes = isBits16 ? sizeof(ushort) : sizeof(float) });
    }

    /// <summary>Scales rows of features and rounds them.</summary>
    /// <param name="batch">Receives the rows, and the factor of each.</param>
    /// <param name="features">[rows, C] without padding.</param>
    /// <param name="isBits16">Whether the features are of the model's type; otherwise they are in float32.</param>
    public KernelLaunch Convert(Batch batch, DeviceView features, bool isBits16)
        => new(isBits16 ? kernels.Scaling : kernels.Conversion, RowWarps.SizeFor(batch.RowCount, device),
            (ref arguments) =>
            {
                arguments.Add(features, batch[Activation.Features], batch[Activation.FeatureUnits]);
                arguments.Add(batch.RowCount, layout.Channels.Size, layout.Channels.Size,
                    Vectors(layout.Channels.PaddedSize));
                arguments.Add(weights.MaxUnit);
            });

    /// <summary>Computes the attention weights of one scope and frame in full, [A, M, N].</summary>
    /// <param name="batch">A batch whose forward pass was computed.</param>
    /// <param name="frame">The place of the frame in the batch.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="queries">Projected queries of all scopes.</param>
    /// <param name="maps">Receives the weights.</param>
    public KernelLaunch Map(Batch batch, FramePlace frame, int scope, DeviceView queries, DeviceView maps)
        => new(kernels.AttentionMap,
            new LaunchSize((layout.QueryCount + ScopeSchedule.UnitSize - 1) / ScopeSchedule.UnitSize,
                layout.Heads.SegmentCount, kernels.AttentionMap.BlockSize),
            (ref arguments) =>
            {
                arguments.Add(((Bits16Grid)frame.Operands).ScopesIn(batch.Arena), batch.Arena, batch.Arena, queries,
                    batch[Activation.Keys], batch[Activation.LogSums], maps);
                arguments.Add(layout.AttentionShape);
                arguments.Add(scope, frame.Operands.Plan.Grid.Rows, frame.FirstRow, frame.FirstAttended);
            });

    /// <summary>The sums of squares of a row of Z (<see cref="RowSquares"/>).</summary>
    public static int SquareCount(ModelLayout layout) => RowSquares.CountOf(layout.Width.PaddedSize / 4);

    /// <summary>Elements from one sum of a row's squares to the next: whole sectors of 32 bytes.</summary>
    public static long SquareStride(long rowCount) => (rowCount + 7) & ~7;

    private RowScale ScaleOf(Batch batch) => weights.KeyValueInput is null ? default
        : new RowScale(batch[Activation.Squares], batch[Activation.FeatureUnits], (int)SquareStride(batch.RowCount),
            SquareCount(layout), layout.Width.Size, weights.RootEpsilon);

    private Normalisation InputNorm(Batch batch) => new()
    {
        Norm = weights.KeyValueNorm,
        Epsilon = layout.Config.LayerNormEpsilon,
        Source = batch[Activation.Features],
        Units = batch[Activation.FeatureUnits],
        Plain = batch[Activation.Z],
        RowCount = batch.RowCount,
        Width = layout.Width,
        ElementBytes = sizeof(ushort),
    };

    private Product KeyValues(Batch batch) => new()
    {
        A = batch[Activation.Z],
        AStride = Width,
        Layer = weights.KeyValues,
        C = batch[Activation.Keys],
        CRowStride = 2 * KeyWidth,
        RowCount = batch.RowCount,
        ColumnCount = 2 * KeyWidth,
        InnerSize = Width,
        ElementBytes = sizeof(ushort),
        OutputBytes = sizeof(ushort),
        Limit = keyLimit,
        Scale = ScaleOf(batch),
        Table = !layout.HasKeyPositions ? default
            : new RowTable(batch.Arena, batch.RowStarts, KeyWidth,
                (double)batch.GridPatchCount * KeyWidth * sizeof(float)),
    };

    private ForwardStep Attend(Batch batch, DeviceView queries)
    {
        var kernel = kernels.AttentionFor(layout.Config.HeadSize);
        KernelLaunch launch = new(kernel,
            new LaunchSize(batch.BlockCount, layout.Heads.SegmentCount, kernel.BlockSize),
            (ref arguments) =>
            {
                arguments.Add(batch.Blocks, batch.Arena, batch.Arena, batch.Arena, queries, batch[Activation.Keys],
                    batch[Activation.Attended], batch[Activation.LogSums]);
                arguments.Add(layout.AttentionShape);
                arguments.Add(1);
            });
        return new ForwardStep(StageNames.Attention, launch,
            () => batch.AttentionWork(layout, ScheduledFlops, storesLogSums: true));
    }

    /// <summary>The operations that tensor cores execute for one frame: whole units of queries and keys, whole tiles of
    /// channels.</summary>
    private double ScheduledFlops(ExecutionPlan plan)
    {
        // The blocks do not depend on learned sigmas.
        ScopeSchedule schedule = new(layout.Config, plan, new double[]?[layout.ScopeCount]);
        return 4.0 * schedule.UnitCount * ScopeSchedule.UnitSize * ScopeSchedule.UnitSize
            * Bits16Kernels.HeadTileFor(layout.Config.HeadSize) * layout.Config.AttentionHeadCount;
    }

    /// <summary>One product per scope. The gate adds up the partial sums: a single product would have a long inner
    /// dimension and blocks for few multiprocessors.</summary>
    private Product GateHidden(Batch batch, DeviceLinear hidden) => new()
    {
        Count = layout.ScopeCount,
        A = batch[Activation.Branches],
        AStride = layout.Branches.PaddedSize,
        ABatchStride = Width,
        Layer = hidden,
        WStride = layout.Branches.PaddedSize,
        WBatchStride = Width,
        C = batch[Activation.GateHidden],
        CRowStride = layout.GateHidden.PaddedSize,
        CBatchStride = batch.TokenCount * layout.GateHidden.PaddedSize,
        RowCount = batch.TokenCount,
        ColumnCount = layout.GateHidden.PaddedSize,
        InnerSize = Width,
        ElementBytes = sizeof(ushort),
    };

    private ForwardStep Fuse(Batch batch)
    {
        KernelLaunch launch = new(kernels.FusionGate,
            new LaunchSize(batch.TokenCount, 1, FusionGateBits16<MmaFloat16>.BlockSizeFor(layout.Width.Size)),
            (ref arguments) =>
            {
                arguments.Add(batch[Activation.GateHidden], weights.GateHiddenBias, weights.GateOutput.Weight,
                    weights.GateOutput.Bias, batch[Activation.Branches], weights.PostNorm.Weight,
                    weights.PostNorm.Bias, batch[Activation.Gates], batch[Activation.Fused]);
                arguments.Add(layout.FusionShape(batch.TokenCount));
            });
        return new ForwardStep(StageNames.GateFusion, launch, () => batch.FusionWork(layout, layout.ScopeCount));
    }

    private ForwardStep Multiply(string name, Compiler.KernelVariant[] variants, Product product)
        => new(name, CommonKernels.MultiplyTensors(variants, product, device), product.Work);

    private ForwardStep Normalise(string name, Normalisation rows)
        => new(name, new KernelLaunch(kernels.Norm, RowWarps.SizeFor(rows.RowCount, device), rows.AddBits16Arguments),
            rows.Work);

    private static int Vectors(int elements) => DeviceVector.Count(elements, sizeof(ushort));
}
