namespace PtxEmulator.Memory;

/// <summary>Which accesses of one warp happen before those of another. Time ticks whenever a barrier completes; a
/// barrier orders what its warps did before it, and what that was ordered after, before what they do after it.
/// </summary>
internal sealed class BarrierClock(int warpCount)
{
    // Row: a warp. Column: the tick before which that warp knows all accesses of another as past.
    private readonly uint[] _known = new uint[warpCount * warpCount];
    private readonly uint[] _safeTicks = new uint[warpCount];

    /// <summary>The present; from 1.</summary>
    public uint Now { get; private set; }

    /// <summary>The tick before which every warp knows all accesses as past.</summary>
    public uint OldestSafeTick { get; private set; }

    public void Reset()
    {
        Now = 1;
        OldestSafeTick = 1;
        Array.Fill(_known, 1u);
        Array.Fill(_safeTicks, 1u);
    }

    /// <summary>The tick before which a warp knows the accesses of all others as past.</summary>
    public uint SafeTick(int warp) => _safeTicks[warp];

    /// <summary>Whether a warp knows another's access as past. Its own always are.</summary>
    public bool IsPast(int warp, int other, uint tick)
        => warp == other || tick < _known[(warp * warpCount) + other];

    /// <summary>A barrier of the warps in <paramref name="members"/>, by bits, completes.</summary>
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
