using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>A descriptor of a matrix of 16-bit elements in shared memory, an operand of <c>wgmma</c>.</summary>
/// <remarks>
/// PTX ISA, Asynchronous Warpgroup Level Matrix Instructions, Matrix Descriptor Format: bits 0–13 are the start
/// address, 16–29 the leading and 32–45 the stride byte offset, all divided by 16; 49–51 the base offset; 62–63 the
/// swizzling mode. The other bits are reserved.
/// The matrix consists of core matrices of eight rows of 16 bytes. "Row" means eight elements along k at one m or n if
/// the matrix is K-major, and eight elements along m or n at one k if it is MN-major. For group g of eight m or n, and
/// half c of k, the first row is at
///   g·stride + c·leading              without swizzling (in both orders),
///   g·stride + c·16                   swizzled, K-major,
///   (g / w)·leading + (g mod w)·16 + c·stride    swizzled, MN-major, where w rows fit into the bytes of the mode.
/// Rows follow each other after 16 bytes, or after the bytes of the mode. Swizzling then replaces bits 4 to 6 of the
/// address (128 bytes), 4 to 5 (64 bytes) or 4 (32 bytes) by their exclusive or with the bits three places above.
/// </remarks>
internal readonly record struct MatrixDescriptor(ulong Bits)
{
    /// <summary>The bytes of a row of a core matrix.</summary>
    public const int ChunkBytes = 16;

    /// <summary>The rows of a core matrix.</summary>
    public const int CoreRows = 8;

    /// <summary>The core matrices along k.</summary>
    public const int CoresAlongDepth = 2;

    private const ulong FieldMask = 0x3fff;
    private const ulong ReservedMask = ~((FieldMask << 0) | (FieldMask << 16) | (FieldMask << 32) | (7ul << 49)
        | (3ul << 62));
    private const int FieldShift = 4;

    // Swizzling moves units of 16 bytes; the rows that repeat a pattern are told apart by the bits from this one on.
    private const int PatternShift = 7;
    private const int SwizzleShift = 3;

    /// <summary>The address of the first row.</summary>
    public uint Start => (uint)(Bits & FieldMask) << FieldShift;

    /// <summary>The leading dimension byte offset.</summary>
    public uint Leading => (uint)(Bits >> 16 & FieldMask) << FieldShift;

    /// <summary>The stride dimension byte offset.</summary>
    public uint Stride => (uint)(Bits >> 32 & FieldMask) << FieldShift;

    public uint BaseOffset => (uint)(Bits >> 49 & 7);

    public int Mode => (int)(Bits >> 62);

    /// <summary>The bytes of the swizzling mode, which are also the distance of the rows; 16 without
    /// swizzling.</summary>
    public uint RowBytes => Mode == 0 ? ChunkBytes : 256u >> Mode;

    /// <summary>What is wrong with the descriptor; null if it is valid.</summary>
    public string? FindProblem()
    {
        if ((Bits & ReservedMask) != 0)
            return $"the reserved bits must be 0, the bits 0x{Bits & ReservedMask:x16} are set";
        if (Mode == 0)
        {
            return BaseOffset == 0 ? null
                : $"the base offset (bits 49–51) must be 0 without swizzling, it is {BaseOffset}";
        }
        // A start within the first row of a pattern advances along the row.
        uint patternBytes = CoreRows * RowBytes;
        uint row = Start & (patternBytes - 1) & ~(RowBytes - 1);
        if (row == 0)
        {
            return BaseOffset == 0 ? null : $"the base offset (bits 49–51) must be 0 for the start 0x{Start:x}, whose "
                + $"pattern begins at a multiple of {patternBytes} bytes; it is {BaseOffset}";
        }
        uint expected = Start >> PatternShift & 7;
        return BaseOffset == expected && BaseOffset != 0 && (row & ((1u << PatternShift) - 1)) == 0 ? null
            : $"the start address (bits 0–13) 0x{Start:x} must be less than {RowBytes} bytes after a multiple of "
            + $"{patternBytes} bytes, where the pattern of the {RowBytes}-byte swizzle begins, or the base offset "
            + $"(bits 49–51) must be {expected} and the start {(1 << PatternShift)}-byte aligned; the base offset is "
            + $"{BaseOffset}";
    }

    /// <summary>Computes the addresses of all rows, eight for each core matrix; the core matrices of one group of eight
    /// m or n follow each other.</summary>
    /// <param name="groupCount">The number of groups of eight along m or n.</param>
    /// <param name="isTransposed">Whether the matrix is MN-major.</param>
    /// <param name="addresses">Receives <paramref name="groupCount"/> · 16 addresses.</param>
    /// <returns>The lowest and the highest of the addresses.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public unsafe (uint Lowest, uint Highest) Locate(int groupCount, bool isTransposed, uint* addresses)
    {
        bool isSwizzled = Mode != 0;
        uint rowBytes = RowBytes;
        uint width = rowBytes / ChunkBytes;
        Vector256<uint> rows = Vector256<uint>.Indices * rowBytes;
        var mask = Vector256.Create(rowBytes - ChunkBytes);
        var origin = Vector256.Create(BaseOffset << PatternShift);
        Vector256<uint> lowest = Vector256<uint>.AllBitsSet;
        Vector256<uint> highest = Vector256<uint>.Zero;
        for (uint group = 0; group < (uint)groupCount; group++)
        {
            for (uint half = 0; half < CoresAlongDepth; half++)
            {
                uint first = Start + (!isSwizzled ? (group * Stride) + (half * Leading)
                    : !isTransposed ? (group * Stride) + (half * ChunkBytes)
                    : (group / width * Leading) + (group % width * ChunkBytes) + (half * Stride));
                Vector256<uint> at = rows + Vector256.Create(first);
                at ^= ((at - origin) >>> SwizzleShift) & mask;
                lowest = Vector256.Min(lowest, at);
                highest = Vector256.Max(highest, at);
                Vector256.Store(at, addresses);
                addresses += CoreRows;
            }
        }
        uint low = uint.MaxValue;
        uint high = 0;
        for (int row = 0; row < CoreRows; row++)
            (low, high) = (Math.Min(low, lowest[row]), Math.Max(high, highest[row]));
        return (low, high);
    }
}
