using System.Numerics;

namespace PtxEmulator.Execution;

/// <summary>One of a block's sixteen barriers while warps arrive at it.</summary>
internal sealed class Barrier
{
    public const int Count = 16;

    /// <summary>Warps that arrived, by bits.</summary>
    public uint Arrived { get; private set; }

    /// <summary>Those of them that wait.</summary>
    public uint Waiting { get; private set; }

    /// <summary>Threads that must arrive.</summary>
    public int ExpectedThreads { get; private set; }

    /// <summary>Threads that arrived; a warp counts whole.</summary>
    public int ArrivedThreads => BitOperations.PopCount(Arrived) * Lanes.Count;

    /// <summary>Threads whose predicate was true.</summary>
    public int TrueCount { get; private set; }

    /// <summary>Whether every thread's predicate was true.</summary>
    public bool AreAllTrue { get; private set; } = true;

    public bool IsComplete => ArrivedThreads >= ExpectedThreads;

    public void Reset()
    {
        Arrived = 0;
        Waiting = 0;
        ExpectedThreads = 0;
        TrueCount = 0;
        AreAllTrue = true;
    }

    public void Arrive(int warp, uint threads, uint predicate, int expectedThreads, bool isWaiting)
    {
        Arrived |= 1u << warp;
        if (isWaiting)
            Waiting |= 1u << warp;
        ExpectedThreads = expectedThreads;
        TrueCount += BitOperations.PopCount(predicate & threads);
        AreAllTrue &= (~predicate & threads) == 0;
    }
}
