using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>The threads of the cells of an access in which the 32 threads access consecutive parts.</summary>
internal static unsafe class SharedParts
{
    // A part has up to 16 cells.
    private const int MaxShift = 4;

    private static readonly nint[] s_tables = [.. Enumerable.Range(0, MaxShift + 1).Select(Create)];

    /// <summary>One bit mask per cell.</summary>
    /// <param name="shift">The base-2 logarithm of the number of cells per thread.</param>
    public static uint* Of(int shift) => (uint*)s_tables[shift];

    private static nint Create(int shift)
    {
        uint* table = (uint*)NativeMemory.Alloc((nuint)(Lanes.Count << shift) + (nuint)Vector512<uint>.Count,
            sizeof(uint));
        for (int cell = 0; cell < Lanes.Count << shift; cell++)
            table[cell] = 1u << (cell >> shift);
        return (nint)table;
    }
}
