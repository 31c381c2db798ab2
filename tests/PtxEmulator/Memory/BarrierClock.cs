namespace PtxEmulator.Memory;

/// <summary>Decides which accesses of one warp happen before those of another. The clock ticks whenever a barrier
/// completes. A barrier orders everything that its warps did before it, directly or transitively, before everything
/// that they do after it.</summary>
internal sealed class BarrierClock(int warpCount)
{
    // Row: a warp. Column: another warp, all of whose accesses before this tick are in the row's past.
    private readonly uint[] _known = new uint[warpCount * warpCount];
    private readonly uint[] _safeTicks = new uint[warpCount];

    /// <summary>The current tick, counted from 1.</summary>
    public uint Now { get; private set; }

    /// <summary>The tick before which all accesses are in the past of every warp.</summary>
    public uint OldestSafeTick { get; private set; }

    public void Reset()
    {
        Now = 1;
        OldestSafeTick = 1;
        Array.Fill(_known, 1u);
        Array.Fill(_safeTicks, 1u);
    }

    /// <summary>The tick before which all accesses of the other warps are in the past of a warp.</summary>
    public uint SafeTick(int warp) => _safeTicks[warp];

    /// <summary>Whether an access of another warp is in a warp's past. Its own accesses always are.</summary>
    public bool IsPast(int warp, int other, uint tick)
        => warp == other || tick < _known[(warp * warpCount) + other];

    /// <summary>Completes a barrier of the warps in the bit mask <paramref name="members"/>.</summary>
    public void Synchronize(uint members)
    {
        Now++;
        uint all = warpCount == 32 ? uint.MaxValue : (1u << warpCount) - 1;
        if (members == all)
        {
            Array.Fill(_known, Now);
            Array.Fill(_safeTicks, Now);
            OldestSafeTick = Now;
            return;
        }
        for (int other = 0; other < warpCount; other++)
        {
            uint known = 0;
            for (int warp = 0; warp < warpCount; warp++)
            {
                if ((members >> warp & 1) != 0)
                    known = Math.Max(known, (members >> other & 1) != 0 ? Now : _known[(warp * warpCount) + other]);
            }
            for (int warp = 0; warp < warpCount; warp++)
            {
                if ((members >> warp & 1) != 0)
                    _known[(warp * warpCount) + other] = known;
            }
        }
        for (int warp = 0; warp < warpCount; warp++)
        {
            uint safe = uint.MaxValue >> 8;
            for (int other = 0; other < warpCount; other++)
            {
                if (other != warp)
                    safe = Math.Min(safe, _known[(warp * warpCount) + other]);
            }
            _safeTicks[warp] = Math.Min(safe, Now);
        }
        OldestSafeTick = _safeTicks.Min();
    }
}
