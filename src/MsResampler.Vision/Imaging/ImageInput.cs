namespace MsResampler.Vision;

/// <summary>An encoded image: a file, a pipe, bytes in memory, or a stream. Nothing is read before the image is
/// decoded.</summary>
public sealed class ImageInput
{
    private const int BlockBytes = 1 << 16;

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
    /// <param name="reserve">Called with a number of bytes before each allocation of so much memory.</param>
    /// <param name="cancellationToken">Stops reading between two blocks.</param>
    /// <exception cref="InvalidImageException">The image cannot be read, or is too large.</exception>
    internal ReadOnlyMemory<byte> Read(long maxBytes, Action<long> reserve, CancellationToken cancellationToken)
    {
        if (_open is null)
            return _bytes.Length <= maxBytes ? _bytes : throw TooLarge(_bytes.Length, maxBytes);
        Stream? stream = null;
        try
        {
            stream = _open();
            return Read(stream, maxBytes, reserve, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException
            or ObjectDisposedException)
        {
            throw new InvalidImageException(Name, $"cannot be read: {e.Message}", e);
        }
        finally
        {
            if (!_leaveOpen)
                stream?.Dispose();
        }
    }

    private ReadOnlyMemory<byte> Read(Stream stream, long maxBytes, Action<long> reserve,
        CancellationToken cancellationToken)
    {
        // A length is only a hint: a file can grow, and a pipe has none.
        long expected = stream.CanSeek ? stream.Length - stream.Position : 0;
        if (expected > maxBytes)
            throw TooLarge(expected, maxBytes);
        long capacity = Math.Max(expected + 1, BlockBytes);
        reserve(capacity);
        byte[] bytes = new byte[capacity];
        int length = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = stream.Read(bytes, length, Math.Min(bytes.Length - length, 16 * BlockBytes));
            if (count == 0)
                return bytes.AsMemory(0, length);
            length += count;
            if (length > maxBytes)
                throw TooLarge(null, maxBytes);
            if (length < bytes.Length)
                continue;
            // The old and the new array exist together while bytes are copied.
            long larger = Math.Min(2L * bytes.Length, maxBytes + 1);
            reserve(larger);
            Array.Resize(ref bytes, (int)larger);
        }
    }

    private static FileStream OpenFile(string path)
    {
        if (Directory.Exists(path))
            throw new IOException("expected a file, found a folder");
        return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete,
            bufferSize: 0, FileOptions.SequentialScan);
    }

    private InvalidImageException TooLarge(long? bytes, long maxBytes) => new(Name,
        $"expected at most {maxBytes} bytes, found {(bytes is null ? "more" : $"{bytes}")} " +
        "(ImageDecoding.MaxEncodedBytes)");
}
