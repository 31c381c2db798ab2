namespace MsResampler.Vision;

/// <summary>An encoded image: a file, a pipe, bytes in memory, or a stream. Nothing is read before the image is
/// decoded.</summary>
public sealed class ImageInput
{
    private const int FirstPipeBytes = 1 << 16;

    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly Func<Stream>? _open;
    private readonly bool _leaveOpen;

    private ImageInput(string name, ReadOnlyMemory<byte> bytes, Func<Stream>? open, bool leaveOpen)
        => (Name, _bytes, _open, _leaveOpen) = (name, bytes, open, leaveOpen);

    /// <summary>Names the image in messages.</summary>
    public string Name { get; }

    /// <summary>A file or a pipe. It is opened each time the image is decoded, and read to its end.</summary>
    /// <param name="path">The path; also the name.</param>
    public static ImageInput FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new ImageInput(path, default, () => OpenFile(path), leaveOpen: false);
    }

    /// <summary>Bytes in memory.</summary>
    /// <param name="bytes">The encoded image. They must not change until the image is decoded.</param>
    /// <param name="name">Names the image in messages.</param>
    public static ImageInput FromBytes(ReadOnlyMemory<byte> bytes, string? name = null)
        => new(name ?? "image", bytes, null, leaveOpen: true);

    /// <summary>A stream, which can be decoded once. It is read from its position to its end.</summary>
    /// <param name="stream">The stream; it need not be able to seek.</param>
    /// <param name="name">Names the image in messages.</param>
    /// <param name="leaveOpen">Whether the stream remains open after it is read.</param>
    public static ImageInput FromStream(Stream stream, string? name = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new ImageInput(name ?? "image", default, () => stream, leaveOpen);
    }

    /// <summary>Reads the encoded bytes.</summary>
    /// <param name="maxBytes">The largest permitted number of bytes.</param>
    /// <param name="budget">The budget of the memory that is allocated.</param>
    /// <param name="cancellationToken">Stops waiting and reading.</param>
    /// <exception cref="InvalidImageException">The image cannot be read, or is too large.</exception>
    internal EncodedImage Read(long maxBytes, DecodingBudget budget, CancellationToken cancellationToken)
    {
        if (_open is null)
        {
            return _bytes.Length <= maxBytes ? new EncodedImage(Name, _bytes, null)
                : throw TooLarge(_bytes.Length, maxBytes);
        }

        Stream? stream = null;
        try
        {
            stream = _open();
            return stream.CanRead ? Read(stream, maxBytes, budget, cancellationToken)
                : throw new InvalidImageException(Name, "expected an open stream, found a closed one; a stream can " +
                    "be decoded once");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException
            or ObjectDisposedException)
        {
            throw new InvalidImageException(Name, $"cannot be read: {CauseOf(e)}", e);
        }
        finally
        {
            if (!_leaveOpen)
                stream?.Dispose();
        }
    }

    private EncodedImage Read(Stream stream, long maxBytes, DecodingBudget budget, CancellationToken cancellationToken)
    {
        // Some files, such as those of /proc, report no length.
        long? known = stream.CanSeek && stream.Length > stream.Position ? stream.Length - stream.Position : null;
        if (known > maxBytes)
            throw TooLarge(known, maxBytes);
        // Without a length, the array grows, and the old and the new one exist together.
        long reserved = known + 1 ?? Math.Min(maxBytes + (maxBytes / 2) + FirstPipeBytes, budget.MaxEncodedBytes);
        if (reserved > budget.MaxEncodedBytes)
        {
            throw new InvalidImageException(Name, $"expected at most {budget.MaxEncodedBytes} bytes, a quarter of " +
                $"DecodingMemory.Capacity, found {known}");
        }

        DecodingBudget.Lease lease = budget.AcquireEncoded(reserved, cancellationToken);
        try
        {
            ReadOnlyMemory<byte> bytes = known is { } length
                ? ReadKnown(stream, (int)length, cancellationToken)
                : ReadUnknown(stream, Math.Min(maxBytes, (reserved - FirstPipeBytes) / 3 * 2), cancellationToken);
            lease.ShrinkTo(bytes.Length);
            return new EncodedImage(Name, bytes, lease);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    private ReadOnlyMemory<byte> ReadKnown(Stream stream, int length, CancellationToken cancellationToken)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(length + 1);
        int count = Fill(stream, bytes, 0, cancellationToken);
        return count <= length ? bytes.AsMemory(0, count)
            : throw new InvalidImageException(Name, $"expected {length} bytes, found more: the file is being written");
    }

    private ReadOnlyMemory<byte> ReadUnknown(Stream stream, long maxBytes, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[FirstPipeBytes];
        for (int count = 0; ;)
        {
            count = Fill(stream, bytes, count, cancellationToken);
            if (count > maxBytes)
                throw TooLarge(null, maxBytes);
            if (count < bytes.Length)
                return bytes.AsMemory(0, count);
            Array.Resize(ref bytes, (int)Math.Min(2L * bytes.Length, maxBytes + 1));
        }
    }

    /// <summary>Reads until the array is full or the stream ends. Returns the number of bytes in the array.</summary>
    private static int Fill(Stream stream, byte[] bytes, int count, CancellationToken cancellationToken)
    {
        const int BlockBytes = 1 << 20;
        while (count < bytes.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int read = stream.Read(bytes, count, Math.Min(bytes.Length - count, BlockBytes));
            if (read == 0)
                break;
            count += read;
        }

        return count;
    }

    private static FileStream OpenFile(string path)
    {
        if (Directory.Exists(path))
            throw new IOException("expected a file, found a folder");
        return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete,
            bufferSize: 0);
    }

    /// <summary>The cause without the absolute path, which .NET's messages have; the name of the image comes
    /// before.</summary>
    private static string CauseOf(Exception exception) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        UnauthorizedAccessException => "access is denied",
        _ => exception.Message,
    };

    private InvalidImageException TooLarge(long? bytes, long maxBytes) => new(Name,
        $"expected at most {maxBytes} bytes, found {(bytes is null ? "more" : $"{bytes}")}; " +
        "ImageDecoding.MaxEncodedBytes is the limit");
}
