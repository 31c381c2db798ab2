using System.Globalization;

namespace MsResampler.Cli.Input;

/// <summary>The inputs of a run: the images of a source, or groups of them as frames.</summary>
internal sealed class InputGroups
{
    private readonly int[]? _temporalIds;
    private readonly PatchGrid[] _grids;
    private readonly int[] _frameCounts;

    // The first frame of each group, and the number of all frames.
    private readonly int[] _firstFrames;

    /// <param name="source">The images. The caller disposes it.</param>
    /// <param name="temporalIds">The ids of the frames of each group; null if every image is an input of its
    /// own.</param>
    /// <exception cref="InputException">The numbers of ids and of images differ.</exception>
    public InputGroups(IFeatureSource source, int[][]? temporalIds)
    {
        Source = source;
        _grids = [.. source.Grids];
        _temporalIds = temporalIds?.SelectMany(ids => ids).ToArray();
        if (_temporalIds is not null && _temporalIds.Length != _grids.Length)
        {
            throw new InputException(string.Create(CultureInfo.InvariantCulture, $"--temporal-ids: the lists take " +
                $"{_temporalIds.Length} {(_temporalIds.Length == 1 ? "frame" : "frames")}, but the input has " +
                $"{_grids.Length}; expected one id for each"));
        }

        _frameCounts = temporalIds?.Select(ids => ids.Length).ToArray() ?? [.. Enumerable.Repeat(1, _grids.Length)];
        _firstFrames = new int[_frameCounts.Length + 1];
        for (int group = 0; group < _frameCounts.Length; group++)
            _firstFrames[group + 1] = _firstFrames[group] + _frameCounts[group];
    }

    /// <summary>The images or frames.</summary>
    public IFeatureSource Source { get; }

    /// <summary>Whether every image is an input of its own.</summary>
    public bool AreImages => _temporalIds is null;

    /// <summary>Whether a frame has a time.</summary>
    public bool HasTimes => _temporalIds?.Any(id => id >= 0) == true;

    /// <summary>The number of groups, or of images.</summary>
    public int Count => _frameCounts.Length;

    /// <summary>The first frame of a group; for <see cref="Count"/> the number of frames.</summary>
    public int FirstFrameOf(int group) => _firstFrames[group];

    /// <summary>The grids of the frames of a group.</summary>
    public ReadOnlySpan<PatchGrid> GridsOf(int group) => _grids.AsSpan(_firstFrames[group], _frameCounts[group]);

    /// <summary>The patches of all frames of a group.</summary>
    public long PatchCountOf(int group)
    {
        long count = 0;
        foreach (PatchGrid grid in GridsOf(group))
            count += grid.PatchCount;
        return count;
    }

    /// <summary>Neighbouring groups.</summary>
    public FrameGroups Slice(int first, int end)
    {
        Range frames = _firstFrames[first].._firstFrames[end];
        return AreImages ? new FrameGroups(_grids.AsSpan(frames))
            : new FrameGroups(_grids.AsSpan(frames), _temporalIds.AsSpan(frames), _frameCounts.AsSpan(first..end));
    }

    /// <summary>What the memory for a group depends on: equal for groups that need the same.</summary>
    public (PatchGrid Grid, long PatchCount) SizeOf(int group) => (_grids[_firstFrames[group]], PatchCountOf(group));

    /// <summary>Names an image or a group, and its size, in messages.</summary>
    public string DescribeSize(int group) => AreImages ? $"{Describe(group)}, {_grids[group]} patches"
        : string.Create(CultureInfo.InvariantCulture, $"{Describe(group)}, {PatchCountOf(group)} patches");

    /// <summary>Names an image or a group in messages.</summary>
    public string Describe(int group)
    {
        int first = _firstFrames[group];
        if (AreImages)
            return Source.Describe(first);
        int last = _firstFrames[group + 1] - 1;
        return string.Create(CultureInfo.InvariantCulture, $"group {group} of --temporal-ids (") +
            (first == last ? $"{Source.Describe(first)})" : $"{Source.Describe(first)} to {Source.Describe(last)})");
    }

    /// <summary>Names an image, or a frame and its group, in messages.</summary>
    public string DescribeFrame(int frame)
    {
        if (AreImages)
            return Source.Describe(frame);
        int group = GroupOf(frame);
        return string.Create(CultureInfo.InvariantCulture,
            $"{Source.Describe(frame)} (group {group}, frame {frame - _firstFrames[group]})");
    }

    /// <summary>The start of the names of the files about a group.</summary>
    public string StemOf(int group)
    {
        // Files in different folders can have the same name.
        string number = group.ToString("D3", CultureInfo.InvariantCulture);
        return !AreImages ? $"group-{number}" : Count == 1 ? Source.FileStem(0) : $"{number}-{Source.FileStem(group)}";
    }

    /// <summary>The start of the names of the files about a frame.</summary>
    public string FrameStemOf(int group, int frameInGroup) => AreImages ? StemOf(group)
        : string.Create(CultureInfo.InvariantCulture, $"{StemOf(group)}-frame-{frameInGroup:D3}");

    /// <summary>The numbers of groups and of frames, such as "2 groups, 4 frames".</summary>
    public override string ToString()
    {
        string frames = Plural(_grids.Length, AreImages ? "image" : "frame");
        return AreImages ? frames : $"{Plural(Count, "group")}, {frames}";

        static string Plural(int count, string name) => $"{count} {name}{(count == 1 ? "" : "s")}";
    }

    private int GroupOf(int frame)
    {
        int group = Array.BinarySearch(_firstFrames, frame);
        return group >= 0 ? group : ~group - 1;
    }
}
