using System.Numerics;

namespace PtxEmulator.Execution;

/// <summary>Sets of the registers of products of warpgroups, one bit for each.</summary>
internal static class RegisterSet
{
    private const int WordBits = 64;

    public static int WordCount(int registerCount) => (registerCount + WordBits - 1) / WordBits;

    public static void Add(ulong[] set, int register) => set[register / WordBits] |= 1ul << (register % WordBits);

    public static void Add(ulong[] set, ulong[] others)
    {
        for (int word = 0; word < set.Length; word++)
            set[word] |= others[word];
    }

    public static bool Contains(ulong[] set, int register)
        => (set[register / WordBits] >> (register % WordBits) & 1) != 0;

    /// <summary>Sets the values of the registers of a set.</summary>
    public static void Fill<T>(T[] values, ulong[] set, T value)
    {
        for (int word = 0; word < set.Length; word++)
        {
            for (ulong rest = set[word]; rest != 0; rest &= rest - 1)
                values[(word * WordBits) + BitOperations.TrailingZeroCount(rest)] = value;
        }
    }

    /// <summary>The first register that is in both sets; negative if there is none.</summary>
    public static int FirstCommon(ulong[] first, ulong[] second)
    {
        for (int word = 0; word < first.Length; word++)
        {
            if ((first[word] & second[word]) != 0)
                return (word * WordBits) + BitOperations.TrailingZeroCount(first[word] & second[word]);
        }
        return -1;
    }
}
