using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>A tile in shared memory that warpgroups multiply: rows of 128 bytes, 64 elements of 16 bits, in eight
/// chunks of 16 bytes. Chunk c of row r is stored at position c ⊕ (r mod 8): the same chunk of eight rows, and all
/// chunks of a row, each cover all banks once. PTX ISA, Asynchronous Warpgroup Level Matrix Multiply-Accumulate
/// Instructions: Swizzling Modes, 128 bytes.</summary>
internal static class SliceTile
{
    /// <summary>Chunks in a row.</summary>
    public const int RowChunks = 8;

    /// <summary>The size of a row in bytes.</summary>
    public const int RowBytes = 128;

    /// <summary>The size of a chunk in bytes; a thread copies one chunk at a time.</summary>
    public const int ChunkBytes = 16;

    /// <summary>Products along a row, each of 16 elements.</summary>
    public const int StepCount = 4;

    /// <summary>The alignment of a tile in bytes, after which the positions of chunks repeat.</summary>
    public const int Alignment = 1024;

    /// <summary>What a step adds to a descriptor: 32 bytes, in units of 16.</summary>
    public const int StepUnits = 2;

    /// <summary>The bits of a descriptor beside the address of the tile in units of 16 bytes: 1024 bytes from eight
    /// rows to the next, and the swizzle of 128 bytes. The other stride is not used with it, and 1 by convention. PTX
    /// ISA, Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions: Matrix Descriptor Format.</summary>
    public const long Descriptor = (1L << 62) | ((long)(Alignment >> 4) << 32) | (1L << 16);

    /// <summary>The row of the tile where a row of W is stored, so that a thread's sums are four neighbouring columns
    /// of C. Of the 16 columns of two neighbouring fragments, a thread t of four holds columns 2t and 2t+1 of each; W's
    /// rows 4t to 4t+3 are stored there.</summary>
    /// <param name="row">The row of W in its tile.</param>
    public static U32 ColumnOf(U32 row)
        => (row / 16 * 16) + (row / 2 % 2 * 8) + (row / 4 % 4 * 2) + (row % 2);
}
