namespace PtxEmulator.Memory;

/// <summary>Decides which accesses of one party happen before those of another. The parties are the warps of a block or
/// the threads of a warp. The clock ticks whenever a barrier completes. A barrier orders everything that its parties
/// did before they arrived, directly or transitively, before everything that those do after it that waited for
/// it.</summary>
internal sealed class BarrierClock(int partyCount)
{
    // Row: a party. Column: another party, all of whose accesses before this tick are in the row's past. The tables
    // are valid from a barrier of some parties to the next one of all; outside, OldestSafeTick holds for all pairs.
    private readonly uint[] _known = new uint[partyCount * partyCount];
    private readonly uint[] _safeTicks = new uint[partyCount];
    private bool _isUniform;

    /// <summary>The current tick, counted from 1.</summary>
    public uint Now { get; private set; }

    /// <summary>The tick before which all accesses are in the past of every party.</summary>
    public uint OldestSafeTick { get; private set; }

    public void Reset()
    {
        Now = 1;
        OldestSafeTick = 1;
        _isUniform = true;
    }

    /// <summary>Starts a new tick without a barrier.</summary>
    public void Advance() => Now++;

    /// <summary>The tick before which all accesses of the other parties are in the past of a party.</summary>
    public uint SafeTick(int party) => _isUniform ? OldestSafeTick : _safeTicks[party];

    /// <summary>Whether an access of another party is in a party's past. Its own accesses always are.</summary>
    public bool IsPast(int party, int other, uint tick)
        => party == other || tick < (_isUniform ? OldestSafeTick : _known[(party * partyCount) + other]);

    /// <summary>Notes that a party arrives at a barrier without waiting for it. What it does from now on is not ordered
    /// by the barrier.</summary>
    /// <param name="party">The party.</param>
    /// <param name="released">For each party the tick before which its accesses are in the past of those that wait for
    /// the barrier.</param>
    public void Release(int party, uint[] released)
    {
        Now++;
        for (int other = 0; other < partyCount; other++)
        {
            uint known = other == party ? Now : _isUniform ? OldestSafeTick : _known[(party * partyCount) + other];
            released[other] = Math.Max(released[other], known);
        }
    }

    /// <summary>Completes a barrier.</summary>
    /// <param name="members">A bit mask of the parties that wait for it.</param>
    /// <param name="released">What the other parties released; null if there are none.</param>
    public void Synchronize(uint members, uint[]? released = null)
    {
        Now++;
        uint all = partyCount == 32 ? uint.MaxValue : (1u << partyCount) - 1;
        if ((members & all) == all)
        {
            OldestSafeTick = Now;
            _isUniform = true;
            return;
        }
        if (_isUniform)
        {
            Array.Fill(_known, OldestSafeTick);
            _isUniform = false;
        }
        for (int other = 0; other < partyCount; other++)
        {
            uint known = released?[other] ?? 0;
            for (int party = 0; party < partyCount; party++)
            {
                if ((members >> party & 1) != 0)
                    known = Math.Max(known, (members >> other & 1) != 0 ? Now : _known[(party * partyCount) + other]);
            }
            for (int party = 0; party < partyCount; party++)
            {
                if ((members >> party & 1) != 0)
                    _known[(party * partyCount) + other] = known;
            }
        }
        for (int party = 0; party < partyCount; party++)
        {
            uint safe = Now;
            for (int other = 0; other < partyCount; other++)
            {
                if (other != party)
                    safe = Math.Min(safe, _known[(party * partyCount) + other]);
            }
            _safeTicks[party] = safe;
        }
        OldestSafeTick = _safeTicks.Min();
    }
}
