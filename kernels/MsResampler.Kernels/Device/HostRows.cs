namespace MsResampler.Kernels.Device;

/// <summary>Writes rows to host memory. Several threads call it at the same time, for different rows.</summary>
/// <param name="firstRow">The index of the first row.</param>
/// <param name="rows">Receives whole rows; its length decides how many.</param>
internal delegate void RowWriter(int firstRow, Span<byte> rows);

/// <summary>Rows on the host that are written where the device reads them, so that there is no other copy.</summary>
/// <param name="Count">Rows.</param>
/// <param name="RowBytes">Bytes of a row.</param>
/// <param name="Writer">Writes rows.</param>
internal readonly unsafe record struct HostRows(int Count, int RowBytes, RowWriter Writer)
{
    /// <summary>What a thread writes at once: much longer than it takes to start a thread.</summary>
    private const int PieceBytes = 128 << 10;

    /// <summary>Eight threads fill a fast link; more would only delay other calls.</summary>
    private static readonly ParallelOptions s_threads = new()
    {
        MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, 8),
    };

    /// <summary>The size of all rows in bytes.</summary>
    public long ByteCount => (long)Count * RowBytes;

    /// <summary>Bytes that exist, as rows of one byte.</summary>
    public static HostRows Of(byte* bytes, int count)
        => new(count, 1, (first, rows) => new ReadOnlySpan<byte>(bytes + first, rows.Length).CopyTo(rows));

    /// <summary>Writes rows, in parallel if there are many.</summary>
    /// <param name="firstRow">The index of the first row.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="destination">Receives them.</param>
    public void Write(int firstRow, int rowCount, byte* destination)
    {
        (int rowBytes, RowWriter writer) = (RowBytes, Writer);
        int pieceRows = Math.Max(1, PieceBytes / rowBytes);
        if (rowCount <= pieceRows)
        {
            writer(firstRow, new Span<byte>(destination, rowCount * rowBytes));
            return;
        }

        Parallel.For(0, (rowCount + pieceRows - 1) / pieceRows, s_threads, piece =>
        {
            int start = piece * pieceRows;
            writer(firstRow + start, new Span<byte>(destination + ((long)start * rowBytes),
                Math.Min(pieceRows, rowCount - start) * rowBytes));
        });
    }
}
