using System.Buffers.Binary;

namespace MsResampler.Vision;

/// <summary>Finds the chunks of a PNG file.</summary>
internal static class PngChunks
{
    private const int SignatureBytes = 8;
    private const int HeaderBytes = 8;
    private const int ChecksumBytes = 4;

    private static ReadOnlySpan<byte> EndType => "IEND"u8;

    /// <summary>Whether the file has its last chunk.</summary>
    public static bool HasEnd(ReadOnlySpan<byte> png) => TryFind(png, EndType, out _);

    /// <summary>Finds the first chunk of a type.</summary>
    /// <param name="png">The file.</param>
    /// <param name="type">The four letters of the type.</param>
    /// <param name="content">The content of the chunk.</param>
    /// <returns>Whether there is such a chunk, and all of it is in the file.</returns>
    public static bool TryFind(ReadOnlySpan<byte> png, ReadOnlySpan<byte> type, out ReadOnlySpan<byte> content)
    {
        content = default;
        for (long position = SignatureBytes; position + HeaderBytes <= png.Length;)
        {
            ReadOnlySpan<byte> chunk = png[(int)position..];
            uint length = BinaryPrimitives.ReadUInt32BigEndian(chunk);
            ReadOnlySpan<byte> found = chunk[sizeof(uint)..HeaderBytes];
            if (length > chunk.Length - HeaderBytes)
                return false;
            if (found.SequenceEqual(type))
            {
                content = chunk.Slice(HeaderBytes, (int)length);
                return true;
            }

            if (found.SequenceEqual(EndType))
                return false;
            position += HeaderBytes + length + ChecksumBytes;
        }

        return false;
    }
}
