namespace PtxEmulator.Execution;

/// <summary>The asynchronous copies of the threads of the warp.</summary>
internal sealed unsafe partial class Warp
{
    // The copies that a thread has not waited for, and the copies that arrived since the last barrier.
    private readonly List<(int Lane, uint Address, int Bytes, int Group)> _pending = [];
    private readonly List<(int Lane, uint Address, int Bytes)> _arrived = [];
    private readonly int[] _groups = new int[Lanes.Count];

    public void BeginCopy(int lane, uint address, int byteCount)
        => _pending.Add((lane, address, byteCount, _groups[lane]));

    /// <summary>Closes the open group of each thread.</summary>
    public void CommitCopies(uint mask)
    {
        for (int lane = 0; lane < Lanes.Count; lane++)
            _groups[lane] += (int)(mask >> lane & 1);
    }

    /// <summary>Waits until at most <paramref name="groupCount"/> closed groups of each thread are pending.</summary>
    public void WaitCopies(uint mask, int groupCount)
        => _pending.RemoveAll(copy => (mask >> copy.Lane & 1) != 0
            && copy.Group < _groups[copy.Lane] - groupCount && Arrive(copy.Lane, copy.Address, copy.Bytes));

    /// <summary>Waits for every copy of each thread.</summary>
    public void WaitAllCopies(uint mask)
        => _pending.RemoveAll(copy => (mask >> copy.Lane & 1) != 0 && Arrive(copy.Lane, copy.Address, copy.Bytes));

    /// <summary>Makes the arrived copies of some threads visible to other threads, at a barrier.</summary>
    public void PublishCopies(uint mask)
    {
        if (_arrived.Count > 0)
            _arrived.RemoveAll(copy => (mask >> copy.Lane & 1) != 0 && Publish(copy.Lane, copy.Address, copy.Bytes));
    }

    /// <summary>Checks that the threads of a mask, which end, have no pending copies.</summary>
    private void RequireNoCopies(uint mask)
    {
        foreach ((int lane, uint address, int bytes, _) in _pending)
        {
            if ((mask >> lane & 1) != 0)
            {
                throw Fault(PtxFaultKind.AsyncCopyNotWaited, "the thread ends while its asynchronous copy of "
                    + $"{bytes} bytes to 0x{address:x} of shared memory is pending", lane, address);
            }
        }
    }

    private bool Arrive(int lane, uint address, int byteCount)
    {
        Block.Shared.EndCopy(address, byteCount);
        _arrived.Add((lane, address, byteCount));
        return true;
    }

    private bool Publish(int lane, uint address, int byteCount)
    {
        Block.Shared.PublishCopy(Index, lane, address, byteCount);
        return true;
    }

    private void ResetCopies()
    {
        _pending.Clear();
        _arrived.Clear();
        Array.Clear(_groups);
    }
}
