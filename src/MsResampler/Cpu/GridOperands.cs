using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Data that depends on an image's patch grid but not on its features: the plan, positions, packed queries
/// and bias tables. Immutable once built, and shared by all calls; most parts are shared with other grids.</summary>
/// <param name="plan">The plan of the grid.</param>
internal sealed class GridOperands(GridPlan plan)
{
    public ExecutionPlan Plan => plan.Plan;

    /// <summary>Positions that keys add to Z; null if keys have no positions.</summary>
    public KeyPositions? Positions { get; set; }

    /// <summary>One entry per scope, null where keys are absorbed.</summary>
    public TiledScope?[] Tiled { get; } = new TiledScope?[plan.Plan.Scopes.Count];

    /// <summary>One entry per scope, null where keys are projected.</summary>
    public AbsorbedScope?[] Absorbed { get; } = new AbsorbedScope?[plan.Plan.Scopes.Count];

    /// <summary>One entry per scope of a frame of a group of several frames: the constants between frames of unequal
    /// grids. Null if there are none, and for images.</summary>
    public FrameOffsets?[] Offsets { get; } = new FrameOffsets?[plan.Plan.Scopes.Count];

    /// <inheritdoc cref="GridPlan.Tasks"/>
    public AttentionTask[] Tasks => plan.Tasks;

    /// <summary>The parts that the grid retains. A part that it retains twice is listed twice.</summary>
    public List<GridPart> Parts { get; } = new(16);

    public int PatchCount => (int)Plan.Grid.PatchCount;

    /// <summary>The number of calls that read the operands, plus one while they are cached. Only
    /// <see cref="GridCache"/> changes it.</summary>
    public int UseCount { get; set; }
}
