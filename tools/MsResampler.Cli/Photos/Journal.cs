using MsResampler.Files;

namespace MsResampler.Cli.Photos;

/// <summary>The sidecar, a line for each photo. It is the only record of what is done: a line is appended after the
/// tokens are in their shard.</summary>
internal sealed class Journal : IDisposable
{
    private const byte LineEnd = (byte)'\n';
    private const int BufferBytes = 1 << 16;

    private readonly FileStream _file;

    private Journal(FileStream file) => _file = file;

    /// <summary>The number of bytes of its lines.</summary>
    public long Length => _file.Length;

    /// <summary>Opens a journal to append to it.</summary>
    public static Journal Open(string path) => new(new FileStream(path, FileMode.Append, FileAccess.Write,
        FileShare.Read, bufferSize: 0));

    /// <summary>Reads all records with the places of their lines. A torn last line is not read.</summary>
    /// <returns>The place of the line and of the next one, its number from 1, and the record; null if the line is
    /// damaged.</returns>
    public static IEnumerable<(long Offset, long End, int Line, JournalRecord? Record)> Read(string path)
    {
        if (!File.Exists(path))
            yield break;
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        byte[] buffer = new byte[BufferBytes];
        int filled = 0;
        long offset = 0;
        int line = 0;
        for (int read; (read = file.Read(buffer.AsSpan(filled))) > 0;)
        {
            filled += read;
            int start = 0;
            for (int length; (length = buffer.AsSpan(start, filled - start).IndexOf(LineEnd)) >= 0;)
            {
                yield return (offset, offset + length + 1, ++line,
                    JournalRecord.Parse(buffer.AsMemory(start, length)));
                start += length + 1;
                offset += length + 1;
            }

            buffer.AsSpan(start, filled - start).CopyTo(buffer);
            filled -= start;
            if (filled == buffer.Length)
                Array.Resize(ref buffer, 2 * buffer.Length);
        }
    }

    /// <summary>Removes everything from a place on.</summary>
    public static void Truncate(string path, long length)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Write);
        file.SetLength(length);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Removes the lines of bad photos, so that they are tried again.</summary>
    public static void RemoveErrors(string path, CancellationToken cancellationToken)
    {
        using AtomicFile file = new(path);
        foreach ((_, _, _, JournalRecord? record) in Read(path))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (record?.Place is not null)
                file.Stream.Write(record.ToLine());
        }

        file.Commit(cancellationToken);
    }

    /// <summary>Appends a line with one call of the operating system.</summary>
    public void Append(JournalRecord record) => _file.Write(record.ToLine());

    /// <summary>Waits until all lines are on the disk.</summary>
    public void FlushToDisk() => _file.Flush(flushToDisk: true);

    public void Dispose() => _file.Dispose();
}
