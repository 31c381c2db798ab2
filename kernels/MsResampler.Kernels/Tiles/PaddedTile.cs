namespace MsResampler.Kernels.Tiles;

/// <summary>A tile in shared memory that tensor cores read. A row consists of chunks of 16 bytes: their number is
/// rounded up to a multiple of four, and one unused chunk follows. The same chunk of eight consecutive rows then
/// covers all 32 banks once. Unlike in <see cref="SwizzledTile"/>, every chunk has a constant distance from the
/// first one of its row.</summary>
internal static class PaddedTile
{
    /// <summary>The number of chunks in a row is rounded up to a multiple of this.</summary>
    public const int ChunkMultiple = 4;

    /// <summary>Chunks from one row to the next.</summary>
    public static int RowChunks(int chunks) => ((chunks + ChunkMultiple - 1) / ChunkMultiple * ChunkMultiple) + 1;

    /// <summary>Bytes from one row to the next.</summary>
    public static int RowBytes(int chunks) => RowChunks(chunks) * SwizzledTile.ChunkBytes;

    /// <summary>The offset in bytes of this lane's row for a load of four 8×8 matrices from 16 rows and two chunks:
    /// rows 0 to 7 and 8 to 15 of the first chunk, then those of the second one. This is the fragment A of the rows;
    /// transposed, it is the fragments B of the eight columns in each chunk, with the rows along k.</summary>
    public static int RowsFirst(int lane, int rowBytes)
        => ((lane & 15) * rowBytes) + ((lane >> 4) * SwizzledTile.ChunkBytes);

    /// <summary>The same with the matrices in another order: rows 0 to 7 of the first and the second chunk, then
    /// rows 8 to 15. This is the fragments B of eight rows each, with the chunks along k.</summary>
    public static int ChunksFirst(int lane, int rowBytes)
        => (((lane & 7) + (8 * (lane >> 4))) * rowBytes) + (((lane >> 3) & 1) * SwizzledTile.ChunkBytes);
}
