using MsResampler.Planning;

namespace MsResampler.Kernels.Forward;

/// <summary>What a patch grid needs that does not depend on features, and where it lies in an arena.</summary>
/// <param name="plan">The grid's plan.</param>
internal abstract class GridOperands(ExecutionPlan plan)
{
    /// <summary>Parts of an arena begin at multiples of so many groups: 256 bytes.</summary>
    private const int PartVectors = 16;

    public ExecutionPlan Plan => plan;

    /// <summary>The end of the grid's part, in groups of 16 bytes.</summary>
    public long End { get; protected init; }

    /// <summary>Where the table begins that the grid has a row of for each patch, in groups of 16 bytes; null where
    /// keys have no positions.</summary>
    public int? TableStart { get; protected init; }

    /// <summary>Groups of 16 bytes from one row of it to the next.</summary>
    public int TableStride { get; protected init; }

    /// <summary>Groups rounded up, so that what follows is aligned.</summary>
    protected static long Round(long vectorCount) => (vectorCount + PartVectors - 1) / PartVectors * PartVectors;
}
