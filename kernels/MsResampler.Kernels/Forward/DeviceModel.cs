using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Forward;

/// <summary>A model on a device in one precision: its weights, the operands of its grids, and the steps of its forward
/// pass. It owns no stream.</summary>
/// <param name="model">The model; not used afterwards.</param>
/// <param name="elementBytes">The size of an activation: 4 or 2.</param>
/// <param name="costs">The costs of the precision's attention kernel.</param>
internal abstract class DeviceModel(ResamplerModel model, int elementBytes, CostModel costs) : IDisposable
{
    private readonly Planner _planner = new(model.Config, model.Weights.KeyValueInput is not null, costs);

    /// <summary>The layout of the model's axes on the device.</summary>
    public ModelLayout Layout { get; } = new(model.Config, elementBytes);

    /// <summary>The type of activations.</summary>
    public abstract DeviceElementType ElementType { get; }

    protected ResamplerConfig Config => Layout.Config;

    /// <summary>Learned log sigma of each scope, or null.</summary>
    protected double[]?[] LogSigmas { get; } = [.. model.Weights.Scopes.Select(scope => scope.LogSigma?.ToDouble())];

    /// <summary>The offsets of the frames of groups.</summary>
    public abstract FrameOffsets Offsets { get; }

    /// <summary>The table of positions stored on the query grid, or null.</summary>
    protected float[]? StoredPositions { get; } = model.Weights.PositionTable?.ToSingle();

    /// <summary>Called with every plan; it does not throw.</summary>
    public Action<ExecutionPlan>? Planned
    {
        set => _planner.Planned = value;
    }

    /// <summary>The plan for images of a grid.</summary>
    public ExecutionPlan Plan(PatchGrid grid) => _planner.Plan(grid);

    /// <summary>Lays out the operands of a grid.</summary>
    /// <param name="plan">The grid's plan.</param>
    /// <param name="start">The byte offset of the grid's part of the arena.</param>
    public abstract GridOperands Lay(ExecutionPlan plan, long start);

    /// <summary>Copies or computes the operands of a grid. Copies are complete when the call returns, computations when
    /// the stream's work is.</summary>
    public abstract void Fill(IDeviceMemory arena, GridOperands operands, IDeviceStream stream);

    /// <summary>The size of each <see cref="Activation"/> of a batch in bytes.</summary>
    /// <param name="rowCount">Patches of all frames.</param>
    /// <param name="tokenCount">Tokens of all groups.</param>
    /// <param name="partCount">Partial rows of attention.</param>
    public long[] ActivationBytes(long rowCount, long tokenCount, long partCount)
    {
        long[] sizes = new long[Batch.Activations.Length];
        sizes[(int)Activation.Features] = rowCount * Layout.Channels.PaddedSize * elementBytes;
        sizes[(int)Activation.Z] = rowCount * Layout.Width.PaddedSize * elementBytes;
        sizes[(int)Activation.Attended] = (tokenCount + partCount) * Layout.ScopeCount * Layout.Heads.PaddedSize
            * elementBytes;
        if (StoresLogSums(partCount))
        {
            sizes[(int)Activation.LogSums] = (tokenCount + partCount) * Layout.ScopeCount * Layout.Heads.SegmentCount
                * sizeof(float);
        }

        sizes[(int)Activation.Branches] = tokenCount * Layout.Branches.PaddedSize * elementBytes;
        sizes[(int)Activation.Gates] = tokenCount * Layout.GateCount * sizeof(float);
        sizes[(int)Activation.Fused] = tokenCount * Layout.Width.PaddedSize * elementBytes;
        sizes[(int)Activation.Tokens] = tokenCount * Layout.Output.PaddedSize * sizeof(float);
        sizes[(int)Activation.Note] = OverflowReport.NoteBytes;
        SetOwnBytes(sizes, rowCount, tokenCount);
        return sizes;
    }

    /// <summary>Plans a batch. The blocks of attention are ordered by decreasing duration, so that no long
    /// block starts last and runs alone; the order has no other effect.</summary>
    /// <param name="groups">The groups of frames.</param>
    /// <param name="arena">Holds the operands of the grids and the offsets of the frames.</param>
    public BatchPlan PlanBatch(FrameGroups groups, GridArena arena)
    {
        GridOperands[] operands = new GridOperands[groups.FrameCount];
        for (int frame = 0; frame < operands.Length; frame++)
            operands[frame] = arena.Grids[groups.Grids[frame]];
        int[] frameCounts = new int[groups.GroupCount];
        for (int group = 0; group < frameCounts.Length; group++)
            frameCounts[group] = groups.FrameCountOf(group);
        BatchPlan plan = new([.. operands.Select(grid => grid.Plan)], frameCounts, Layout.QueryCount);
        return plan with
        {
            Sizes = ActivationBytes(plan.RowCount, plan.TokenCount, plan.AttendedCount - plan.TokenCount),
            // Copies within the device leave the padding of rows as it is.
            Cleared = Layout.Channels.PaddedSize == Layout.Channels.Size ? [Activation.Note]
                : [Activation.Note, Activation.Features],
            RowStarts = RowStarts(operands, plan.RowCount),
            Blocks = Schedule(operands, plan.AttendedStarts(), out int blockCount),
            BlockCount = blockCount,
            OffsetStarts = plan.MergedGroupCount == 0 ? [] : Offsets.StartsOf(groups, arena),
        };
    }

    /// <summary>Converts features to the layout of <see cref="Activation.Features"/> and, in 16 bits, of
    /// <see cref="Activation.FeatureUnits"/>. Several threads may call it at the same time.</summary>
    /// <param name="features">[rows, C].</param>
    /// <param name="packed">Receives the rows.</param>
    /// <param name="units">Receives the factor of each row, in 16 bits only.</param>
    /// <returns>Whether all features are finite.</returns>
    public abstract bool PackFeatures(ReadOnlySpan<float> features, Span<byte> packed, Span<float> units);

    /// <summary>Starts to copy features on the device to a batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="features">[rows, C] in float32 or <see cref="ElementType"/>.</param>
    /// <param name="stream">The stream of the batch.</param>
    public abstract void CopyFeatures(Batch batch, DeviceTensor features, IDeviceStream stream);

    /// <summary>The steps of the forward pass of a batch, from its features to its tokens, in order.</summary>
    public abstract IEnumerable<ForwardStep> Steps(Batch batch, PassOptions options);

    /// <summary>Computes the attention weights of one scope and frame, [A, M, N], whose sum is 1.</summary>
    /// <param name="batch">A batch whose forward pass was computed.</param>
    /// <param name="frame">The place of the frame in the batch.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="maps">Receives the weights.</param>
    public abstract KernelLaunch Map(Batch batch, FramePlace frame, int scope, DeviceView maps);

    public abstract void Dispose();

    /// <summary>Whether attention stores log-sums in a batch.</summary>
    /// <param name="partCount">Partial rows of attention.</param>
    protected abstract bool StoresLogSums(long partCount);

    /// <summary>Sets the sizes of the activations that the other precisions do not have.</summary>
    protected abstract void SetOwnBytes(long[] sizes, long rowCount, long tokenCount);

    /// <summary>The blocks of attention of all frames of a batch, as the kernel reads them.</summary>
    /// <param name="operands">The operands of each frame's grid.</param>
    /// <param name="attendedStarts">The first row of attention of each frame.</param>
    /// <param name="blockCount">Receives the number of blocks.</param>
    protected abstract byte[] Schedule(GridOperands[] operands, int[] attendedStarts, out int blockCount);

    /// <summary>The blocks of a batch from those of its grids.</summary>
    /// <param name="operands">The operands of each frame's grid.</param>
    /// <param name="attendedStarts">The first row of attention of each frame.</param>
    /// <param name="blocksOf">The blocks for a frame of a grid.</param>
    /// <param name="move">Moves a block to a frame with a first patch and a first row of attention.</param>
    /// <param name="duration">The duration of a block relative to others.</param>
    /// <param name="blockCount">Receives the number of blocks.</param>
    protected static byte[] Schedule<TBlock>(GridOperands[] operands, int[] attendedStarts,
        Func<GridOperands, TBlock[]> blocksOf, Func<TBlock, int, int, TBlock> move, Func<TBlock, long> duration,
        out int blockCount)
        where TBlock : unmanaged
    {
        List<TBlock> blocks = [];
        int row = 0;
        for (int frame = 0; frame < operands.Length; frame++)
        {
            foreach (TBlock block in blocksOf(operands[frame]))
                blocks.Add(move(block, row, attendedStarts[frame]));
            row += (int)operands[frame].Plan.Grid.PatchCount;
        }

        blockCount = blocks.Count;
        TBlock[] ordered = [.. blocks.OrderByDescending(duration)];
        return MemoryMarshal.AsBytes<TBlock>(ordered).ToArray();
    }

    private static int[] RowStarts(GridOperands[] operands, int rowCount)
    {
        if (operands[0].TableOffset is null)
            return [];
        int[] starts = new int[(rowCount + 3) & ~3];
        int row = 0;
        foreach (GridOperands grid in operands)
        {
            for (int patch = 0; patch < (int)grid.Plan.Grid.PatchCount; patch++)
            {
                starts[row++] = DeviceVector.IndexAt(grid.TableOffset!.Value)
                    + (patch * DeviceVector.Count(grid.TableWidth, sizeof(float)));
            }
        }

        return starts;
    }
}
