namespace MsResampler.Training.Passes;

/// <summary>The groups of frames of a batch. Patches of all frames are stacked in one matrix of rows.</summary>
internal sealed class BatchLayout
{
    private readonly int[] _firstRow;
    private readonly int[] _firstFrame;
    private readonly int[] _gridOf;
    private readonly int[] _temporalIds;
    private readonly int[] _groupOf;

    /// <param name="groups">The groups, checked.</param>
    public BatchLayout(FrameGroups groups)
    {
        Grids = groups.Grids.ToArray();
        _firstRow = new int[Grids.Count + 1];
        _gridOf = new int[Grids.Count];
        _temporalIds = new int[Grids.Count];
        _groupOf = new int[Grids.Count];
        _firstFrame = new int[groups.GroupCount + 1];
        List<PatchGrid> distinct = [];
        Dictionary<PatchGrid, int> indices = [];
        for (int frame = 0; frame < Grids.Count; frame++)
        {
            _firstRow[frame + 1] = checked(_firstRow[frame] + (int)Grids[frame].PatchCount);
            if (!indices.TryGetValue(Grids[frame], out _gridOf[frame]))
            {
                _gridOf[frame] = distinct.Count;
                indices.Add(Grids[frame], distinct.Count);
                distinct.Add(Grids[frame]);
            }
        }

        DistinctGrids = distinct;
        for (int group = 0; group < groups.GroupCount; group++)
        {
            int count = groups.FrameCountOf(group);
            MaxFrameCount = Math.Max(MaxFrameCount, count);
            _firstFrame[group + 1] = _firstFrame[group] + count;
            for (int frame = _firstFrame[group]; frame < _firstFrame[group + 1]; frame++)
            {
                _groupOf[frame] = group;
                // In a group of one frame, time is a constant of the softmax.
                _temporalIds[frame] = count == 1 ? -1 : groups.TemporalIdOf(frame);
                HasTimes |= _temporalIds[frame] >= 0;
                IsUneven |= _gridOf[frame] != _gridOf[_firstFrame[group]];
            }
        }
    }

    /// <summary>The grid of each frame.</summary>
    public IReadOnlyList<PatchGrid> Grids { get; }

    /// <summary>Every grid of the batch once, in the order of their first frames.</summary>
    public IReadOnlyList<PatchGrid> DistinctGrids { get; }

    public int FrameCount => Grids.Count;

    public int GroupCount => _firstFrame.Length - 1;

    /// <summary>Patches of all frames.</summary>
    public int RowCount => _firstRow[^1];

    /// <summary>Frames of the largest group.</summary>
    public int MaxFrameCount { get; }

    /// <summary>Whether keys of a frame may add a position in time.</summary>
    public bool HasTimes { get; }

    /// <summary>Whether a group has frames of different grids.</summary>
    public bool IsUneven { get; }

    /// <summary>The first row of a frame.</summary>
    public int FirstRow(int frame) => _firstRow[frame];

    /// <summary>The first frame of a group; for the number of groups, the number of frames.</summary>
    public int FirstFrame(int group) => _firstFrame[group];

    /// <summary>The group of a frame.</summary>
    public int GroupOf(int frame) => _groupOf[frame];

    /// <summary>The index of the grid of a frame in <see cref="DistinctGrids"/>.</summary>
    public int GridOf(int frame) => _gridOf[frame];

    /// <summary>The temporal id of a frame, or −1.</summary>
    public int TemporalIdOf(int frame) => _temporalIds[frame];

    /// <summary>The frame of a row.</summary>
    public int FrameOfRow(int row)
    {
        int found = Array.BinarySearch(_firstRow, row);
        return found >= 0 ? found : ~found - 1;
    }
}
