using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward;

/// <summary>The layout of a batch of groups of frames that are computed together, before it has memory: sizes, and
/// tables to copy. An image is a group of one frame. Attention computes frame by frame. A frame of a group of several
/// frames has partial rows, one for each query, which lie behind the tokens of all groups and are then
/// merged.</summary>
/// <param name="Plans">The plan of each frame's grid, in the order of the frames.</param>
/// <param name="FrameCounts">The number of frames of each group.</param>
/// <param name="QueryCount">Tokens of a group.</param>
internal sealed record BatchPlan(IReadOnlyList<ExecutionPlan> Plans, IReadOnlyList<int> FrameCounts, int QueryCount)
{
    /// <summary>Patches of all frames.</summary>
    public int RowCount { get; } = checked((int)Plans.Sum(plan => plan.Grid.PatchCount));

    /// <summary>Tokens of all groups.</summary>
    public int TokenCount => FrameCounts.Count * QueryCount;

    /// <summary>The groups of several frames.</summary>
    public int MergedGroupCount { get; } = FrameCounts.Count(count => count > 1);

    /// <summary>The frames of these groups.</summary>
    public int MergedFrameCount { get; } = FrameCounts.Where(count => count > 1).Sum();

    /// <summary>Rows of attention: tokens, then partial rows.</summary>
    public int AttendedCount => checked(TokenCount + (MergedFrameCount * QueryCount));

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

    /// <summary>For each frame of the groups of several frames, the index of its offsets in the arena
    /// (<see cref="FrameOffsets.StartsOf"/>).</summary>
    public int[] OffsetStarts { get; init; } = [];

    /// <summary>The first row of attention of each frame.</summary>
    public int[] AttendedStarts()
    {
        int[] starts = new int[Plans.Count];
        int part = TokenCount;
        int frame = 0;
        for (int group = 0; group < FrameCounts.Count; group++)
        {
            for (int end = frame + FrameCounts[group]; frame < end; frame++)
            {
                starts[frame] = FrameCounts[group] == 1 ? group * QueryCount : part;
                part += FrameCounts[group] == 1 ? 0 : QueryCount;
            }
        }

        return starts;
    }

    /// <summary>The groups of several frames, as the kernel reads them.</summary>
    public MergedGroup[] MergedGroups()
    {
        List<MergedGroup> groups = [];
        int frame = 0;
        for (int group = 0; group < FrameCounts.Count; group++)
        {
            if (FrameCounts[group] == 1)
                continue;
            groups.Add(new MergedGroup
            {
                FirstToken = group * QueryCount,
                FirstPart = TokenCount + (frame * QueryCount),
                FrameCount = FrameCounts[group],
                FirstFrame = frame,
            });
            frame += FrameCounts[group];
        }

        return [.. groups];
    }
}
