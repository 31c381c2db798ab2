using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A tile in shared memory that tensor cores read: rows of 64 bytes, each as four chunks of 16 bytes (8
/// elements of 16 bits, or 4 of 32), so that two rows share the 128 bytes of all 32 banks.</summary>
/// <remarks>
/// <para>Chunk c of row r lies at c ⊕ (r/2 mod 4) ⊕ (r/8 mod 2):</para>
/// <code>
/// rows  0  1 | 0 1 2 3 | 0 1 2 3 |     rows  8  9 | 1 0 3 2 | 1 0 3 2 |
/// rows  2  3 | 1 0 3 2 | 1 0 3 2 |     rows 10 11 | 0 1 2 3 | 0 1 2 3 |
/// rows  4  5 | 2 3 0 1 | 2 3 0 1 |     rows 12 13 | 3 2 1 0 | 3 2 1 0 |
/// rows  6  7 | 3 2 1 0 | 3 2 1 0 |     rows 14 15 | 2 3 0 1 | 2 3 0 1 |
/// </code>
/// <para>Each of these meets all banks once: one chunk of eight rows in a row, as <see cref="RowFragment"/> reads them;
/// one chunk of rows 0, 1, 4, 5, 8, 9, 12, 13 or of the others, as <see cref="ColumnFragment"/> does; all chunks of two
/// rows, as a copy writes them. The pattern repeats after 16 rows, so that a multiple of 16 rows is a constant
/// offset.</para>
/// </remarks>
internal static class SwizzledTile
{
    /// <summary>Bytes of a row.</summary>
    public const int RowBytes = 64;

    /// <summary>Chunks of a row.</summary>
    public const int RowChunks = 4;

    /// <summary>Bytes of a chunk, which is what one thread copies.</summary>
    public const int ChunkBytes = 16;

    /// <summary>Matrix products with k = 32 bytes that a row has.</summary>
    public const int StepCount = 2;

    /// <summary>The offset of a chunk in bytes.</summary>
    public static int Offset(int row, int chunk)
        => (row * RowBytes) + (ChunkBytes * (chunk ^ ((row >> 1) & 3) ^ ((row >> 3) & 1)));

    /// <summary>Where this lane's row of the fragment A of rows 0 to 15 is: of a step's two chunks, lanes 0–15 read the
    /// first of their row, lanes 16–31 the second.</summary>
    public static int RowFragment(int lane, int step) => Offset(lane & 15, (2 * step) + (lane >> 4));

    /// <summary>Where this lane's row of two fragments B of rows 0 to 15 is. Of the first, matrix column 2t is row 4t
    /// and column 2t+1 row 4t+1; of the second, they are 4t+2 and 4t+3: so a lane's results of the two are four
    /// neighbours.</summary>
    public static int ColumnFragment(int lane, int step)
    {
        int column = lane & 7;
        return Offset((4 * (column >> 1)) + (column & 1) + (2 * (lane >> 4)), (2 * step) + ((lane >> 3) & 1));
    }

    /// <summary>Shared memory for tiles.</summary>
    /// <param name="byteCount">Its size.</param>
    /// <returns>The address of its first byte.</returns>
    public static uint Allocate(int byteCount)
    {
        // As 16-byte elements, because shared memory is aligned to its element. 128-byte alignment is not needed: what
        // chunks share a bank depends on the distance between them.
        ArrayView<UInt4> memory = SharedMemory.Allocate<UInt4>(byteCount / ChunkBytes);
        return SharedMemoryAccess.AddressOf(ref memory[0]);
    }
}
