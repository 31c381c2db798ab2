using System.Numerics;

namespace PtxEmulator.Execution;

/// <summary>One of the sixteen barriers of a block while warps arrive at it.</summary>
internal sealed class Barrier
{
    public const int Count = 16;

    /// <summary>A bit mask of the warps that arrived.</summary>
    public uint Arrived { get; private set; }

    /// <summary>A bit mask of the arrived warps that wait.</summary>
    public uint Waiting { get; private set; }

    /// <summary>What the warps that do not wait had done when they arrived, for <see cref="Memory.BarrierClock"/>; null
    /// if there are none.</summary>
    public uint[]? Released { get; set; }

    /// <summary>The number of threads that must arrive.</summary>
    public int ExpectedThreads { get; private set; }

    /// <summary>The number of threads that arrived; a warp counts as a whole.</summary>
    public int ArrivedThreads => BitOperations.PopCount(Arrived) * Lanes.Count;

    /// <summary>The number of threads whose predicate was true.</summary>
    public int TrueCount { get; private set; }

    /// <summary>Whether every thread's predicate was true.</summary>
    public bool AreAllTrue { get; private set; } = true;

    public bool IsComplete => ArrivedThreads >= ExpectedThreads;

    public void Reset()
    {
        Arrived = 0;
        Waiting = 0;
        Released = null;
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
