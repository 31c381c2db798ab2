namespace MsResampler.Kernels.Forward;

/// <summary>The layout of a batch of images that are computed together, before it has memory: sizes, and tables to
/// copy.</summary>
/// <param name="Plans">The plan of each image's grid, in the order of the images.</param>
/// <param name="QueryCount">Tokens of an image.</param>
internal sealed record BatchPlan(IReadOnlyList<ExecutionPlan> Plans, int QueryCount)
{
    /// <summary>Patches of all images.</summary>
    public int RowCount { get; } = checked((int)Plans.Sum(plan => plan.Grid.PatchCount));

    /// <summary>Tokens of all images.</summary>
    public int TokenCount => Plans.Count * QueryCount;

    /// <summary>The size of each <see cref="Activation"/> in bytes.</summary>
    public IReadOnlyList<long> Sizes { get; init; } = [];

    /// <summary>Activations that must be zero before a pass that follows one of another batch.</summary>
    public IReadOnlyList<Activation> Cleared { get; init; } = [];

    /// <summary>For each patch, where its row of its grid's table begins, in units of four floats from the arena's
    /// start; empty without tables.</summary>
    public int[] RowStarts { get; init; } = [];

    /// <summary>The schedule of attention: one block after another, as the kernel reads them.</summary>
    public byte[] Blocks { get; init; } = [];

    /// <summary>Blocks of the schedule.</summary>
    public int BlockCount { get; init; }
}
