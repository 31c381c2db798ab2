using System.Buffers.Binary;
using System.Text;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Gguf;

/// <summary>Reads the header of a GGUF file from front to back, through a buffer of fixed size. Every read is checked
/// against the end of the file, and no memory is allocated for a length that the file states before that
/// check.</summary>
internal sealed class GgufCursor
{
    /// <summary>The largest header that is read.</summary>
    public const int MaxBytes = 100_000_000;

    private const int BufferBytes = 1 << 14;

    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    private readonly Action<long, Span<byte>> _read;
    private readonly string _source;
    private readonly byte[] _buffer;
    private long _bufferFirst;
    private int _bufferCount;

    /// <param name="read">Reads bytes of the file from an offset.</param>
    /// <param name="fileBytes">The length of the file.</param>
    /// <param name="source">The name of the file, for messages.</param>
    public GgufCursor(Action<long, Span<byte>> read, long fileBytes, string source)
    {
        (_read, FileBytes, _source) = (read, fileBytes, source);
        _buffer = new byte[(int)Math.Min(BufferBytes, fileBytes)];
    }

    public long FileBytes { get; }

    /// <summary>The offset of the next byte.</summary>
    public long Position { get; private set; }

    public long Remaining => FileBytes - Position;

    public uint ReadUInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    public ulong ReadUInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), what));

    /// <summary>Reads a string with its length.</summary>
    /// <param name="what">What the string is, for messages.</param>
    /// <param name="maxBytes">The largest length; at most that of the buffer.</param>
    public string ReadText(string what, int maxBytes)
    {
        ulong length = ReadUInt64(what);
        if (length > (ulong)maxBytes && length <= (ulong)Remaining)
        {
            throw new GgufException(GgufError.NameTooLong, _source,
                $"{what}: expected at most {maxBytes} bytes, found {length}");
        }

        return ReadText(what, length);
    }

    /// <summary>Reads a text of a known length; at most that of the buffer.</summary>
    public string ReadText(string what, ulong length)
    {
        ReadOnlySpan<byte> bytes = Take(length, what);
        try
        {
            return s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new GgufException(GgufError.NotUtf8, _source,
                $"{what}: expected UTF-8, found {Quote(Encoding.Latin1.GetString(bytes))}");
        }
    }

    /// <summary>Reads bytes of a value; at most as many as the buffer holds.</summary>
    public ReadOnlySpan<byte> Take(ulong count, string what)
    {
        Require(count, what);
        if (Position < _bufferFirst || Position + (long)count > _bufferFirst + _bufferCount)
        {
            _bufferFirst = Position;
            _bufferCount = (int)Math.Min(_buffer.Length, Remaining);
            _read(_bufferFirst, _buffer.AsSpan(0, _bufferCount));
        }

        ReadOnlySpan<byte> bytes = _buffer.AsSpan((int)(Position - _bufferFirst), (int)count);
        Position += (long)count;
        return bytes;
    }

    /// <summary>Passes over bytes without reading them.</summary>
    public void Skip(ulong count, string what)
    {
        Require(count, what);
        Position += (long)count;
    }

    /// <summary>Checks a number of things of at least <paramref name="minBytes"/> each against the end of the
    /// file.</summary>
    public void RequireCount(ulong count, ulong minBytes, string what)
    {
        ulong most = (ulong)Remaining / minBytes;
        if (count > most)
        {
            throw new GgufException(GgufError.CountTooLarge, _source,
                $"{what}: expected at most {most} in the file's {FileBytes} bytes, found {count}");
        }
    }

    private void Require(ulong count, string what)
    {
        if (count > (ulong)Remaining)
        {
            throw new GgufException(GgufError.HeaderPastEnd, _source,
                $"{what}: expected {count} bytes at {Position}, found {Remaining} up to the end of the file");
        }

        if (Position + (long)count > MaxBytes)
        {
            throw new GgufException(GgufError.HeaderTooLong, _source,
                $"expected a header of at most {MaxBytes} bytes, found more, with {what} at {Position}");
        }
    }
}
