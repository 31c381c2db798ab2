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

    /// <summary>The table of positions stored on the query grid, or null.</summary>
    protected float[]? StoredPositions { get; } = model.Weights.PositionTable?.ToSingle();

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
    /// <param name="rowCount">Patches of all images.</param>
    /// <param name="tokenCount">Tokens of all images.</param>
    public long[] ActivationBytes(long rowCount, long tokenCount)
    {
        long[] sizes = new long[Batch.Activations.Length];
        sizes[(int)Activation.Features] = rowCount * Layout.Channels.PaddedSize * elementBytes;
        sizes[(int)Activation.Z] = rowCount * Layout.Width.PaddedSize * elementBytes;
        sizes[(int)Activation.Attended] = tokenCount * Layout.ScopeCount * Layout.Heads.PaddedSize * elementBytes;
        sizes[(int)Activation.Branches] = tokenCount * Layout.Branches.PaddedSize * elementBytes;
        sizes[(int)Activation.Gates] = tokenCount * Layout.GateCount * sizeof(float);
        sizes[(int)Activation.Fused] = tokenCount * Layout.Width.PaddedSize * elementBytes;
        sizes[(int)Activation.Tokens] = tokenCount * Layout.Output.PaddedSize * sizeof(float);
        sizes[(int)Activation.Note] = OverflowReport.NoteBytes;
        SetOwnBytes(sizes, rowCount, tokenCount);
        return sizes;
    }

    /// <summary>Plans a batch of images. The blocks of attention are ordered by decreasing duration, so that no long
    /// block starts last and runs alone; the order has no other effect.</summary>
    /// <param name="grids">The grids of the images.</param>
    /// <param name="arena">Holds the operands of the grids.</param>
    public BatchPlan PlanBatch(ReadOnlySpan<PatchGrid> grids, GridArena arena)
    {
        GridOperands[] operands = new GridOperands[grids.Length];
        for (int image = 0; image < grids.Length; image++)
            operands[image] = arena.Grids[grids[image]];
        BatchPlan plan = new([.. operands.Select(grid => grid.Plan)], Layout.QueryCount);
        return plan with
        {
            Sizes = ActivationBytes(plan.RowCount, plan.TokenCount),
            // Copies within the device leave the padding of rows as it is.
            Cleared = Layout.Channels.PaddedSize == Layout.Channels.Size ? [Activation.Note]
                : [Activation.Note, Activation.Features],
            RowStarts = RowStarts(operands, plan.RowCount),
            Blocks = Schedule(operands, out int blockCount),
            BlockCount = blockCount,
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

    /// <summary>Computes the attention weights of one scope, [A, M, N].</summary>
    /// <param name="batch">A batch of one image whose forward pass was computed.</param>
    /// <param name="grid">The operands of its grid.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="maps">Receives the weights.</param>
    public abstract KernelLaunch Map(Batch batch, GridOperands grid, int scope, DeviceView maps);

    public abstract void Dispose();

    /// <summary>Sets the sizes of the activations that the other precisions do not have.</summary>
    protected abstract void SetOwnBytes(long[] sizes, long rowCount, long tokenCount);

    /// <summary>The blocks of attention of all images of a batch, as the kernel reads them.</summary>
    /// <param name="operands">The operands of each image's grid.</param>
    /// <param name="blockCount">Receives the number of blocks.</param>
    protected abstract byte[] Schedule(GridOperands[] operands, out int blockCount);

    /// <summary>The blocks of a batch from those of its grids.</summary>
    /// <param name="operands">The operands of each image's grid.</param>
    /// <param name="blocksOf">The blocks for an image of a grid.</param>
    /// <param name="move">Moves a block to an image with a first patch and a first token.</param>
    /// <param name="duration">The duration of a block relative to others.</param>
    /// <param name="blockCount">Receives the number of blocks.</param>
    protected byte[] Schedule<TBlock>(GridOperands[] operands, Func<GridOperands, TBlock[]> blocksOf,
        Func<TBlock, int, int, TBlock> move, Func<TBlock, long> duration, out int blockCount)
        where TBlock : unmanaged
    {
        List<TBlock> blocks = [];
        int row = 0;
        for (int image = 0; image < operands.Length; image++)
        {
            foreach (TBlock block in blocksOf(operands[image]))
                blocks.Add(move(block, row, image * Layout.QueryCount));
            row += (int)operands[image].Plan.Grid.PatchCount;
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
