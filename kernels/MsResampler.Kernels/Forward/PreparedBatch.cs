namespace MsResampler.Kernels.Forward;

/// <summary>A batch that is laid out in a workspace, with its forward passes. The workspace owns the memory.</summary>
/// <param name="batch">The batch.</param>
/// <param name="slot">The slot of its tables in the workspace's memory for tables.</param>
/// <param name="offsetStarts"><see cref="BatchPlan.OffsetStarts"/>.</param>
internal sealed class PreparedBatch(Batch batch, int slot, int[] offsetStarts) : IDisposable
{
    private readonly ForwardPass[] _passes = [.. Enum.GetValues<TokenTarget>().Select(_ => new ForwardPass())];

    public Batch Batch => batch;

    public int Slot => slot;

    /// <summary>What the device's copy of <see cref="BatchPlan.OffsetStarts"/> contains.</summary>
    public int[] OffsetStarts { get; set; } = offsetStarts;

    /// <summary>Whether it is a batch of groups with as many frames, of these grids. Temporal ids do not
    /// matter.</summary>
    public bool Has(FrameGroups groups)
    {
        if (groups.FrameCount != batch.Plans.Count || groups.GroupCount != batch.FrameCounts.Count)
            return false;
        for (int group = 0; group < groups.GroupCount; group++)
            if (groups.FrameCountOf(group) != batch.FrameCounts[group])
                return false;
        for (int frame = 0; frame < groups.FrameCount; frame++)
            if (groups.Grids[frame] != batch.Plans[frame].Grid)
                return false;
        return true;
    }

    /// <summary>The forward pass with a destination of its tokens.</summary>
    public ForwardPass PassFor(TokenTarget target) => _passes[(int)target];

    /// <summary>Disposes the graphs, after the stream's work.</summary>
    public void Dispose()
    {
        foreach (ForwardPass pass in _passes)
            pass.Dispose();
    }
}
