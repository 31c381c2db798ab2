using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A tile in shared memory that tensor cores read. A row has 64 bytes in four chunks of 16 bytes (8
/// elements of 16 bits, or 4 of 32 bits), so that two rows share the 128 bytes of all 32 banks.</summary>
/// <remarks>
/// <para>Chunk c of row r is stored at position c ⊕ (r/2 mod 4) ⊕ (r/8 mod 2):</para>
/// <code>
/// rows  0  1 | 0 1 2 3 | 0 1 2 3 |     rows  8  9 | 1 0 3 2 | 1 0 3 2 |
/// rows  2  3 | 1 0 3 2 | 1 0 3 2 |     rows 10 11 | 0 1 2 3 | 0 1 2 3 |
/// rows  4  5 | 2 3 0 1 | 2 3 0 1 |     rows 12 13 | 3 2 1 0 | 3 2 1 0 |
/// rows  6  7 | 3 2 1 0 | 3 2 1 0 |     rows 14 15 | 2 3 0 1 | 2 3 0 1 |
/// </code>
/// <para>Each of these accesses covers all banks once: the same chunk of eight consecutive rows, as
/// <see cref="RowFragment"/> reads them; the same chunk of rows 0, 1, 4, 5, 8, 9, 12 and 13 or of the other eight
/// rows, as <see cref="ColumnFragment"/> reads them; and all chunks of two rows, as a copy writes them. The pattern
/// repeats after 16 rows, so that a multiple of 16 rows is a constant offset.</para>
/// </remarks>
internal static class SwizzledTile
{
    /// <summary>The size of a row in bytes.</summary>
    public const int RowBytes = 64;

    /// <summary>Chunks in a row.</summary>
    public const int RowChunks = 4;

    /// <summary>The size of a chunk in bytes; a thread copies one chunk at a time.</summary>
    public const int ChunkBytes = 16;

    /// <summary>Matrix instructions along a row, each with k = 32 bytes.</summary>
    public const int StepCount = 2;

    /// <summary>The offset of a chunk in bytes.</summary>
    public static int Offset(int row, int chunk)
        => (row * RowBytes) + (ChunkBytes * (chunk ^ ((row >> 1) & 3) ^ ((row >> 3) & 1)));

    /// <summary>The offset in bytes of this lane's row for the fragment A of rows 0 to 15. Of the two chunks of a
    /// step, lanes 0–15 read the first one of their row and lanes 16–31 the second one.</summary>
    public static int RowFragment(int lane, int step) => Offset(lane & 15, (2 * step) + (lane >> 4));

    /// <summary>The offset in bytes of this lane's row for two fragments B of rows 0 to 15. Matrix column 2t of the
    /// first fragment is row 4t of the tile, and column 2t+1 is row 4t+1; in the second fragment they are rows 4t+2
    /// and 4t+3. A lane's results of the two products are therefore four neighbouring elements.</summary>
    public static int ColumnFragment(int lane, int step)
    {
        int column = lane & 7;
        return Offset((4 * (column >> 1)) + (column & 1) + (2 * (lane >> 4)), (2 * step) + ((lane >> 3) & 1));
    }

    /// <summary>Allocates shared memory for tiles.</summary>
    /// <param name="byteCount">The size in bytes.</param>
    /// <returns>The address of the first byte.</returns>
    public static uint Allocate(int byteCount)
    {
        // Allocated as 16-byte elements, because shared memory is aligned to its element type. An alignment to 128
        // bytes is not needed: bank conflicts depend only on the distance between chunks.
        ArrayView<UInt4> memory = SharedMemory.Allocate<UInt4>(byteCount / ChunkBytes);
        return SharedMemoryAccess.AddressOf(ref memory[0]);
    }
}
