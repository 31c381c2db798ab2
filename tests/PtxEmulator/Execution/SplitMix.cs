namespace PtxEmulator.Execution;

/// <summary>A small random generator with the same numbers on every platform.</summary>
internal struct SplitMix(ulong seed)
{
    private ulong _state = seed;

    /// <summary>A number below <paramref name="bound"/>.</summary>
    public int Next(int bound)
    {
        _state += 0x9e37_79b9_7f4a_7c15;
        ulong mixed = (_state ^ (_state >> 30)) * 0xbf58_476d_1ce4_e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d0_49bb_1331_11eb;
        return (int)(((mixed ^ (mixed >> 31)) >> 33) % (ulong)bound);
    }
}
