using System.Numerics;
using System.Runtime.CompilerServices;

namespace PtxEmulator.Counters;

/// <summary>Counts sectors and bank conflicts of the addresses of a warp.</summary>
internal static unsafe class AccessPattern
{
    public const int SectorBytes = 32;
    private const int BankCount = 32;
    private const int BankBytes = 4;
    private const int LineBytes = BankCount * BankBytes;

    /// <summary>The number of sectors that an aligned access of consecutive threads touches.</summary>
    public static int CountSectors(ulong address, int byteCount)
        => (int)(((address + (ulong)byteCount - 1) / SectorBytes) - (address / SectorBytes)) + 1;

    /// <summary>The number of distinct sectors that the threads of a mask touch. Each thread makes an aligned access
    /// of at most one sector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static int CountSectors(ulong* addresses, uint mask)
    {
        ulong* seen = stackalloc ulong[Execution.Lanes.Count];
        int count = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            ulong sector = addresses[BitOperations.TrailingZeroCount(rest)] / SectorBytes;
            int index = count - 1;
            while (index >= 0 && seen[index] != sector)
                index--;
            if (index < 0)
                seen[count++] = sector;
        }
        return count;
    }

    /// <summary>The number of sectors that the same bytes would occupy if they were contiguous; at most the number
    /// touched.</summary>
    public static int IdealSectors(int touched, int byteCount)
        => Math.Min(touched, (byteCount + SectorBytes - 1) / SectorBytes);

    /// <summary>The number of passes over the banks beyond those that the access width requires. A wide access
    /// proceeds in phases of 128 bytes: 16 threads of 8 bytes, or 8 threads of 16 bytes.</summary>
    public static int CountExtraWavefronts(ulong* addresses, uint mask, int byteCount)
    {
        int unitBytes = Math.Max(byteCount, BankBytes);
        int threads = Math.Min(Execution.Lanes.Count, LineBytes / unitBytes);
        uint phaseMask = threads == Execution.Lanes.Count ? uint.MaxValue : (1u << threads) - 1;
        int extra = 0;
        for (int first = 0; first < Execution.Lanes.Count; first += threads)
        {
            uint phase = mask & (phaseMask << first);
            if (phase != 0)
                extra += CountPhase(addresses, phase, BitOperations.Log2((uint)unitBytes)) - 1;
        }
        return extra;
    }

    /// <summary>The largest number of distinct units in one group of banks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static int CountPhase(ulong* addresses, uint phase, int unitShift)
    {
        // The units of each group form a linked list through the threads that access them.
        int* heads = stackalloc int[BankCount];
        int* next = stackalloc int[Execution.Lanes.Count];
        int* lengths = stackalloc int[BankCount];
        int groups = LineBytes >> unitShift;
        new Span<int>(heads, groups).Fill(-1);
        new Span<int>(lengths, groups).Clear();
        int most = 1;
        ulong previous = ulong.MaxValue;
        for (uint rest = phase; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong unit = addresses[lane] >> unitShift;
            if (unit == previous)
                continue;
            previous = unit;
            int group = (int)unit & (groups - 1);
            int other = heads[group];
            while (other >= 0 && addresses[other] >> unitShift != unit)
                other = next[other];
            if (other >= 0)
                continue;
            next[lane] = heads[group];
            heads[group] = lane;
            most = Math.Max(most, ++lengths[group]);
        }
        return most;
    }
}
