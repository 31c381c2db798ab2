using System.Diagnostics.CodeAnalysis;

namespace MsResampler;

/// <summary>The inputs of one call: images, or groups of frames as in video. Every frame has its own patch grid and a
/// temporal id. The keys of a group are the patches of all its frames, and M tokens come out for the group; an image is
/// a group of one frame.</summary>
/// <remarks>Windows, anchors and Gaussians are taken on the grid of each frame. A query attends to the union of what it
/// sees in the frames of its group, under one softmax.</remarks>
public readonly ref struct FrameGroups
{
    private readonly bool _areImages;

    /// <summary>Images: groups of one frame each.</summary>
    /// <param name="grids">One patch grid per image.</param>
    public FrameGroups(ReadOnlySpan<PatchGrid> grids)
    {
        _areImages = true;
        Grids = grids;
    }

    /// <summary>Groups of frames.</summary>
    /// <param name="grids">One patch grid per frame, group by group.</param>
    /// <param name="temporalIds">One temporal id per frame, at least 0, or −1 for a frame without a time. They have an
    /// effect only in models whose keys have positions in time
    /// (<see cref="Model.PositionEmbeddingConfig.Frames"/>), and there in groups of several frames. Their unit is
    /// that of the model's training: for MiniCPM-V 4.5 a tenth of a second.</param>
    /// <param name="frameCounts">The number of frames of each group, at least 1; they add up to the number of
    /// grids. The call that receives the groups checks all three.</param>
    public FrameGroups(ReadOnlySpan<PatchGrid> grids, ReadOnlySpan<int> temporalIds, ReadOnlySpan<int> frameCounts)
    {
        Grids = grids;
        TemporalIds = temporalIds;
        FrameCounts = frameCounts;
    }

    /// <summary>One patch grid per frame, group by group.</summary>
    public ReadOnlySpan<PatchGrid> Grids { get; }

    /// <summary>One temporal id per frame; empty for images.</summary>
    public ReadOnlySpan<int> TemporalIds { get; }

    /// <summary>The number of frames of each group; empty for images.</summary>
    public ReadOnlySpan<int> FrameCounts { get; }

    /// <summary>The number of groups, or of images.</summary>
    public int GroupCount => _areImages ? Grids.Length : FrameCounts.Length;

    /// <summary>The number of frames of all groups.</summary>
    public int FrameCount => Grids.Length;

    /// <summary>The number of frames of a group.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such group.</exception>
    public int FrameCountOf(int group) => _areImages ? 1 : FrameCounts[group];

    /// <summary>The temporal id of a frame, counted over all groups; −1 for an image.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such frame.</exception>
    public int TemporalIdOf(int frame) => _areImages ? -1 : TemporalIds[frame];

    /// <summary>Whether the groups were given as images, which decides the wording of messages.</summary>
    internal bool AreImages => _areImages;

    /// <summary>The index of the first frame of a group.</summary>
    internal int FirstFrameOf(int group)
    {
        if (_areImages)
            return group;
        int first = 0;
        for (int before = 0; before < group; before++)
            first += FrameCounts[before];
        return first;
    }

    /// <summary>The grids of the frames of a group.</summary>
    internal ReadOnlySpan<PatchGrid> GridsOf(int group) => Grids.Slice(FirstFrameOf(group), FrameCountOf(group));

    /// <summary>Neighbouring groups.</summary>
    internal FrameGroups Slice(int firstGroup, int groupCount)
    {
        if (_areImages)
            return new FrameGroups(Grids.Slice(firstGroup, groupCount));
        int firstFrame = FirstFrameOf(firstGroup);
        int frameCount = FirstFrameOf(firstGroup + groupCount) - firstFrame;
        return new FrameGroups(Grids.Slice(firstFrame, frameCount), TemporalIds.Slice(firstFrame, frameCount),
            FrameCounts.Slice(firstGroup, groupCount));
    }

    /// <summary>Patches of all frames.</summary>
    internal Int128 PatchCount
    {
        get
        {
            Int128 count = 0;
            foreach (PatchGrid grid in Grids)
                count += grid.PatchCount;
            return count;
        }
    }

    /// <summary>Describes a group in a message, as in "image 3 (4x6 patches)" or "group 1 (2 frames, 40
    /// patches)".</summary>
    /// <param name="group">The group.</param>
    /// <param name="number">The number of the group for the reader.</param>
    internal string Describe(int group, int number)
    {
        ReadOnlySpan<PatchGrid> grids = GridsOf(group);
        return _areImages ? $"image {number} ({grids[0]} patches)"
            : $"group {number} ({grids.Length} frame{(grids.Length == 1 ? "" : "s")}, " +
                $"{new FrameGroups(grids).PatchCount} patches)";
    }

    /// <summary>Checks grids, ids and the numbers of frames.</summary>
    /// <exception cref="ArgumentException">A grid or a group is empty, an id is below −1, or the numbers do not
    /// match.</exception>
    internal void Check()
    {
        if (!_areImages)
            CheckFrames();
        for (int frame = 0; frame < Grids.Length; frame++)
        {
            if (Grids[frame].Rows < 1 || Grids[frame].Columns < 1)
                Throw($"{NameOf(frame)}: expected a patch grid of at least 1x1, found {Grids[frame]}", "grids");
            if (TemporalIdOf(frame) < -1)
                Throw($"{NameOf(frame)}: expected a temporal id of at least 0, or -1 for none, found " +
                    $"{TemporalIdOf(frame)}", "temporalIds");
        }
    }

    /// <summary>Describes a frame in a message, as in "image 3" or "group 1, frame 2".</summary>
    /// <param name="frame">The index of the frame over all groups.</param>
    internal string NameOf(int frame)
    {
        if (_areImages)
            return $"image {frame}";
        int group = 0;
        for (; frame >= FrameCounts[group]; group++)
            frame -= FrameCounts[group];
        return $"group {group}, frame {frame}";
    }

    private void CheckFrames()
    {
        long frameCount = 0;
        for (int group = 0; group < FrameCounts.Length; group++)
        {
            if (FrameCounts[group] < 1)
                Throw($"group {group}: expected at least 1 frame, found {FrameCounts[group]}", "frameCounts");
            frameCount += FrameCounts[group];
        }

        if (frameCount != Grids.Length)
            Throw($"frameCounts: expected numbers of frames that add up to {Grids.Length}, the number of grids, " +
                $"found {frameCount}", "frameCounts");
        if (TemporalIds.Length != Grids.Length)
            Throw($"temporalIds: expected {Grids.Length} ids, one for each grid, found {TemporalIds.Length}",
                "temporalIds");
    }

    [DoesNotReturn]
    private static void Throw(string message, string name) => throw new ArgumentException(message, name);
}
