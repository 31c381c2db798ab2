namespace MsResampler.Kernels.Forward;

/// <summary>The operands of a forward pass: a plan with memory. Without memory every view is empty, and the steps
/// can be described but not launched.</summary>
/// <param name="plan">The plan.</param>
internal sealed class Batch(BatchPlan plan)
{
    /// <summary>All activations in order. The engine needs their number for every image of a call.</summary>
    public static readonly Activation[] Activations = Enum.GetValues<Activation>();

    private readonly DeviceView[] _activations = new DeviceView[Activations.Length];

    /// <summary>The plan of each frame's grid.</summary>
    public IReadOnlyList<ExecutionPlan> Plans => plan.Plans;

    /// <inheritdoc cref="BatchPlan.FrameCounts"/>
    public IReadOnlyList<int> FrameCounts => plan.FrameCounts;

    /// <inheritdoc cref="BatchPlan.Cleared"/>
    public IReadOnlyList<Activation> Cleared => plan.Cleared;

    /// <inheritdoc cref="BatchPlan.RowCount"/>
    public int RowCount => plan.RowCount;

    /// <inheritdoc cref="BatchPlan.TokenCount"/>
    public int TokenCount => plan.TokenCount;

    /// <inheritdoc cref="BatchPlan.MergedGroupCount"/>
    public int MergedGroupCount => plan.MergedGroupCount;

    /// <inheritdoc cref="BatchPlan.AttendedCount"/>
    public int AttendedCount => plan.AttendedCount;

    /// <summary>The memory with the operands of the grids and the offsets of the frames.</summary>
    public DeviceView Arena { get; init; }

    /// <summary><see cref="BatchPlan.RowStarts"/> on the device.</summary>
    public DeviceView RowStarts { get; init; }

    /// <summary><see cref="BatchPlan.Blocks"/> on the device.</summary>
    public DeviceView Blocks { get; init; }

    /// <summary><see cref="BatchPlan.MergedGroups"/> on the device.</summary>
    public DeviceView MergedGroups { get; init; }

    /// <summary><see cref="BatchPlan.OffsetStarts"/> on the device.</summary>
    public DeviceView OffsetStarts { get; init; }

    /// <summary>Blocks of the schedule of attention.</summary>
    public int BlockCount => plan.BlockCount;

    /// <summary>An activation.</summary>
    public DeviceView this[Activation activation]
    {
        get => _activations[(int)activation];
        set => _activations[(int)activation] = value;
    }

    /// <summary>Patches of each distinct grid, added up: the rows of the grids' tables.</summary>
    public long GridPatchCount => Plans.Distinct().Sum(plan => plan.Grid.PatchCount);

    /// <summary>The work of attention: it reads from memory once each key and value.</summary>
    /// <param name="layout">The model's layout.</param>
    /// <param name="frameFlops">The operations for a frame of a plan.</param>
    /// <param name="storesLogSums">Whether it stores log-sums.</param>
    public StepWork AttentionWork(ModelLayout layout, Func<ExecutionPlan, double> frameFlops, bool storesLogSums)
    {
        double heads = (double)layout.ScopeCount * layout.Heads.PaddedSize * layout.ElementBytes;
        double keys = (double)layout.KeyScopeCount * layout.Heads.PaddedSize * layout.ElementBytes;
        return new StepWork(Plans.GroupBy(plan => plan).Sum(frames => frames.Count() * frameFlops(frames.Key)),
            layout.QueryCount * heads, 2 * RowCount * keys,
            (double)Plans.Count * layout.QueryCount * (heads + (storesLogSums ? LogSumBytes(layout) : 0)))
        {
            HasProducts = true,
        };
    }

    /// <summary>The work of the merge of frames.</summary>
    /// <param name="layout">The model's layout.</param>
    public StepWork MergeWork(ModelLayout layout)
    {
        double heads = (double)layout.ScopeCount * layout.Heads.PaddedSize;
        double partCount = AttendedCount - TokenCount;
        return new StepWork(2 * partCount * heads, 0,
            partCount * ((heads * layout.ElementBytes) + LogSumBytes(layout)),
            (double)MergedGroupCount * layout.QueryCount * heads * layout.ElementBytes);
    }

    /// <summary>The work of the gate's second layer, the weighted sum of the branches and ln_post.</summary>
    /// <param name="layout">The model's layout.</param>
    /// <param name="hiddenCount">Partial sums of the hidden layer that it reads.</param>
    public StepWork FusionWork(ModelLayout layout, int hiddenCount)
    {
        int hidden = layout.GateHidden.PaddedSize;
        int width = layout.Width.PaddedSize;
        double branches = (double)TokenCount * layout.ScopeCount * width;
        return new StepWork(
            (2.0 * TokenCount * hidden * layout.GateCount) + (2 * branches)
                + (Normalisation.FlopsPerElement * TokenCount * width),
            sizeof(float) * (((double)layout.GateCount * hidden) + hidden + layout.GateCount + (2.0 * width)),
            ((double)hiddenCount * TokenCount * hidden * sizeof(float)) + (branches * layout.ElementBytes),
            ((double)TokenCount * width * layout.ElementBytes)
                + ((double)TokenCount * layout.GateCount * sizeof(float)));
    }

    /// <summary>Log-sums of one row of attention.</summary>
    private static double LogSumBytes(ModelLayout layout)
        => (double)layout.ScopeCount * layout.Heads.SegmentCount * sizeof(float);
}
