using System.Runtime.InteropServices;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The groups of frames that one pass computes together. The rows of all frames are stacked; their plans use
/// the same strategies. An image is a group of one frame.</summary>
/// <remarks>The lists are reused, so that a warm pass allocates nothing.</remarks>
internal sealed class FrameStack
{
    private readonly List<GridOperands> _frames = [];
    private readonly List<int> _temporalIds = [];
    private readonly List<int> _groupOf = [];

    /// <summary>Index of the partial row block of each frame, or −1 for an image.</summary>
    private readonly List<int> _partialOf = [];

    // These lists have one more entry than there are frames or groups.
    private readonly List<int> _firstRow = [0];
    private readonly List<int> _firstTask = [0];
    private readonly List<int> _firstFrame = [0];
    private readonly List<int> _firstSumTask = [0];

    /// <summary>The number of groups.</summary>
    public int GroupCount => _firstFrame.Count - 1;

    /// <summary>The number of frames of all groups.</summary>
    public int FrameCount => _frames.Count;

    /// <summary>Patches of all frames.</summary>
    public int RowCount => _firstRow[^1];

    /// <summary>The number of frames of groups of several frames.</summary>
    public int PartialCount { get; private set; }

    /// <summary>Whether keys of a frame get a position in time.</summary>
    public bool HasTimes { get; private set; }

    /// <summary>The strategies of all frames.</summary>
    public ExecutionPlan Plan => _frames[0].Plan;

    /// <summary>Plans of the images of a group, while its strategies are chosen.</summary>
    public List<ExecutionPlan> ImagePlans { get; } = [];

    /// <summary>The operands of a frame.</summary>
    public GridOperands this[int frame] => _frames[frame];

    /// <summary>The first row of a frame.</summary>
    public int FirstRow(int frame) => _firstRow[frame];

    /// <summary>The first frame of a group; for the number of groups, the number of frames.</summary>
    public int FirstFrame(int group) => _firstFrame[group];

    /// <summary>The number of frames of a group.</summary>
    public int FrameCountOf(int group) => _firstFrame[group + 1] - _firstFrame[group];

    /// <summary>The group of a frame.</summary>
    public int GroupOf(int frame) => _groupOf[frame];

    /// <summary>The block of partial rows of a frame, or −1 for an image. The blocks of a group follow one
    /// another.</summary>
    public int PartialOf(int frame) => _partialOf[frame];

    /// <summary>The temporal id of a frame; −1 for an image, for which time is a constant of the softmax.</summary>
    public int TemporalId(int frame) => _partialOf[frame] < 0 ? -1 : _temporalIds[frame];

    /// <summary>Whether frames of a group have different grids, so that their logits have different offsets.</summary>
    public bool IsUneven(int group)
    {
        PatchGrid first = _frames[_firstFrame[group]].Plan.Grid;
        for (int frame = _firstFrame[group] + 1; frame < _firstFrame[group + 1]; frame++)
            if (_frames[frame].Plan.Grid != first)
                return true;
        return false;
    }

    /// <summary>Removes all frames.</summary>
    public void Clear()
    {
        _frames.Clear();
        _temporalIds.Clear();
        _groupOf.Clear();
        _partialOf.Clear();
        _firstRow.RemoveRange(1, _firstRow.Count - 1);
        _firstFrame.RemoveRange(1, _firstFrame.Count - 1);
        ImagePlans.Clear();
        PartialCount = 0;
        HasTimes = false;
    }

    /// <summary>Adds a group of one frame.</summary>
    public void AddImage(GridOperands operands)
    {
        AddFrame(operands, temporalId: -1, isPartial: false);
        EndGroup();
    }

    /// <summary>Adds a frame of a group of several frames. After the last one, call <see cref="EndGroup"/>.</summary>
    /// <param name="operands">The operands of its grid.</param>
    /// <param name="temporalId">Its temporal id, or −1.</param>
    public void AddFrame(GridOperands operands, int temporalId) => AddFrame(operands, temporalId, isPartial: true);

    /// <summary>Ends a group.</summary>
    public void EndGroup() => _firstFrame.Add(_frames.Count);

    /// <summary>Numbers the tasks of attention, and of the sums after it.</summary>
    /// <param name="sumTasks">The number of tasks of the sums of a group.</param>
    public void CountTasks(Func<int, int> sumTasks)
    {
        _firstTask.RemoveRange(1, _firstTask.Count - 1);
        foreach (GridOperands frame in _frames)
            _firstTask.Add(_firstTask[^1] + frame.Tasks.Length);
        _firstSumTask.RemoveRange(1, _firstSumTask.Count - 1);
        for (int group = 0; group < GroupCount; group++)
            _firstSumTask.Add(_firstSumTask[^1] + sumTasks(group));
    }

    /// <summary>The number of tasks of attention.</summary>
    public int TaskCount => _firstTask[^1];

    /// <summary>The number of tasks of the sums after attention.</summary>
    public int SumTaskCount => _firstSumTask[^1];

    /// <summary>The frame of a row.</summary>
    public int FrameOfRow(int row) => Find(_firstRow, row);

    /// <summary>The frame of a task of attention, and the task's index in it.</summary>
    public (int Frame, int Task) FrameOfTask(int task)
    {
        int frame = Find(_firstTask, task);
        return (frame, task - _firstTask[frame]);
    }

    /// <summary>The group of a task of the sums, and the task's index in it.</summary>
    public (int Group, int Task) GroupOfTask(int task)
    {
        int group = Find(_firstSumTask, task);
        return (group, task - _firstSumTask[group]);
    }

    private void AddFrame(GridOperands operands, int temporalId, bool isPartial)
    {
        _frames.Add(operands);
        _temporalIds.Add(temporalId);
        _groupOf.Add(GroupCount);
        _firstRow.Add(_firstRow[^1] + operands.PatchCount);
        _partialOf.Add(isPartial ? PartialCount++ : -1);
        HasTimes |= isPartial && temporalId >= 0;
    }

    /// <summary>The last entry that is at most <paramref name="index"/> and below the entry after it.</summary>
    private static int Find(List<int> starts, int index)
    {
        ReadOnlySpan<int> entries = CollectionsMarshal.AsSpan(starts);
        int low = 0;
        int high = entries.Length - 1;
        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            if (entries[middle] <= index)
                low = middle;
            else
                high = middle;
        }

        return low;
    }
}
