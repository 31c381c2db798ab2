namespace MsResampler.Kernels.Tiles;

/// <summary>A tile in shared memory that tensor cores read: rows of chunks of 16 bytes, rounded up to whole
/// groups of four, and one more, which nobody reads: so one chunk of eight rows side by side lies in all 32 banks once.
/// Unlike in <see cref="SwizzledTile"/> every chunk is a constant distance from the row's first.</summary>
internal static class PaddedTile
{
    /// <summary>Chunks of a row come in groups of so many.</summary>
    public const int ChunkGroup = 4;

    /// <summary>Chunks from one row to the next.</summary>
    public static int RowChunks(int chunks) => ((chunks + ChunkGroup - 1) / ChunkGroup * ChunkGroup) + 1;

    /// <summary>Bytes from one row to the next.</summary>
    public static int RowBytes(int chunks) => RowChunks(chunks) * SwizzledTile.ChunkBytes;

    /// <summary>Where this lane's row of 16 rows is, so that four 8×8 matrices are: rows 0 to 7 and 8 to 15 of the
    /// first chunk, then of the second. That is the fragment A of these rows, and transposed the fragments B of each
    /// chunk's eight columns, with the rows along k.</summary>
    public static int RowsFirst(int lane, int rowBytes)
        => ((lane & 15) * rowBytes) + ((lane >> 4) * SwizzledTile.ChunkBytes);

    /// <summary>The same in the order rows 0 to 7 of the first and second chunk, then rows 8 to 15: the fragments B of
    /// eight rows each, with the chunks along k.</summary>
    public static int ChunksFirst(int lane, int rowBytes)
        => (((lane & 7) + (8 * (lane >> 4))) * rowBytes) + (((lane >> 3) & 1) * SwizzledTile.ChunkBytes);
}
