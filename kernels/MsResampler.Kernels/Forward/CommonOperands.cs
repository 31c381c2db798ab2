namespace MsResampler.Kernels.Forward;

/// <summary>The operands of the steps that are the same in every precision.</summary>
/// <param name="layout">The model's layout.</param>
/// <param name="weights">Its weights.</param>
internal sealed class CommonOperands(ModelLayout layout, ForwardWeights weights)
{
    private int Width => layout.Width.PaddedSize;

    private int Heads => layout.Heads.PaddedSize;

    /// <summary>kv_proj.</summary>
    public Product Input(Batch batch, DeviceLinear input) => new()
    {
        A = batch[Activation.Features],
        AStride = layout.Channels.PaddedSize,
        Layer = input,
        C = batch[Activation.Z],
        CRowStride = Width,
        RowCount = batch.RowCount,
        ColumnCount = Width,
        InnerSize = layout.Channels.PaddedSize,
        ElementBytes = layout.ElementBytes,
        OutputBytes = layout.ElementBytes,
    };

    /// <summary>The merge of the frames of groups of several frames.</summary>
    /// <param name="batch">A batch with such groups.</param>
    /// <param name="kernel">The kernel of the precision.</param>
    public ForwardStep Merge(Batch batch, KernelVariant kernel)
    {
        int rowVectors = DeviceVector.Count(layout.ScopeCount * Heads, layout.ElementBytes);
        KernelLaunch launch = new(kernel,
            new LaunchSize(batch.MergedGroupCount * layout.QueryCount,
                (rowVectors + kernel.BlockSize - 1) / kernel.BlockSize, kernel.BlockSize),
            (ref arguments) =>
            {
                arguments.Add(batch.MergedGroups, batch.OffsetStarts, batch.Arena, batch[Activation.LogSums],
                    batch[Activation.Attended]);
                arguments.Add(layout.AttentionShape);
                arguments.Add(layout.QueryCount);
            });
        return new ForwardStep(StageNames.Merge, launch, () => batch.MergeWork(layout));
    }

    /// <summary>out_proj of every scope.</summary>
    public Product Outputs(Batch batch) => new()
    {
        Count = layout.ScopeCount,
        A = batch[Activation.Attended],
        AStride = layout.ScopeCount * Heads,
        ABatchStride = Heads,
        Layer = weights.Outputs,
        C = batch[Activation.Branches],
        CRowStride = layout.Branches.PaddedSize,
        CBatchStride = Width,
        RowCount = batch.TokenCount,
        ColumnCount = Width,
        InnerSize = Heads,
        ElementBytes = layout.ElementBytes,
        OutputBytes = layout.ElementBytes,
    };

    /// <summary>ln_post of the output of a single scope.</summary>
    public Normalisation PostNorm(Batch batch) => new()
    {
        Norm = weights.PostNorm,
        Epsilon = layout.Config.LayerNormEpsilon,
        Source = batch[Activation.Branches],
        Plain = batch[Activation.Fused],
        RowCount = batch.TokenCount,
        Width = layout.Width,
        ElementBytes = layout.ElementBytes,
    };

    /// <summary>proj, with tokens in float32.</summary>
    public Product Projection(Batch batch, PassOptions options) => new()
    {
        A = batch[Activation.Fused],
        AStride = Width,
        Layer = weights.Projection,
        C = batch[Activation.Tokens],
        CRowStride = layout.Output.PaddedSize,
        RowCount = batch.TokenCount,
        ColumnCount = layout.Output.PaddedSize,
        InnerSize = Width,
        ElementBytes = layout.ElementBytes,
        Note = options.Note,
        FirstNoted = options.FirstToken,
    };
}
