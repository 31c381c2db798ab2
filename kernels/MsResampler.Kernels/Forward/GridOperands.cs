namespace MsResampler.Kernels.Forward;

/// <summary>The operands of a patch grid that do not depend on features, and their byte offsets in an arena.</summary>
/// <param name="plan">The grid's plan.</param>
internal abstract class GridOperands(ExecutionPlan plan)
{
    public ExecutionPlan Plan => plan;

    /// <summary>The byte offset of the end of the grid's part.</summary>
    public long End { get; protected init; }

    /// <summary>The byte offset of the table, float32, [patches, <see cref="TableWidth"/>]; null if keys have no
    /// positions.</summary>
    public long? TableOffset { get; protected init; }

    /// <summary>Elements of a row of the table.</summary>
    public int TableWidth { get; protected init; }

    /// <summary>The byte offset of projected queries, if they depend on the grid.</summary>
    public long QueryOffset { get; protected init; }
}
