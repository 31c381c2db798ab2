using System.Buffers.Binary;

namespace MsResampler.Vision;

/// <summary>Reads the container of a WebP file.</summary>
internal static class WebpChunks
{
    private const int RiffHeaderBytes = 8;
    private const int FirstChunk = 12;
    private const int HeaderBytes = 8;

    /// <summary>Whether the file is as long as its header says, which does not count itself.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> webp)
        => webp.Length - RiffHeaderBytes >= BinaryPrimitives.ReadUInt32LittleEndian(webp[sizeof(uint)..]);

    /// <summary>The EXIF data; empty if there are none.</summary>
    public static ReadOnlySpan<byte> FindExif(ReadOnlySpan<byte> webp)
    {
        for (long position = FirstChunk; position + HeaderBytes <= webp.Length;)
        {
            ReadOnlySpan<byte> chunk = webp[(int)position..];
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[sizeof(uint)..]);
            if (length > chunk.Length - HeaderBytes)
                break;
            if (chunk.StartsWith("EXIF"u8))
            {
                ReadOnlySpan<byte> exif = chunk.Slice(HeaderBytes, (int)length);
                // Some writers keep the prefix of JPEG.
                return exif.StartsWith(ExifOrientation.Prefix) ? exif[ExifOrientation.Prefix.Length..] : exif;
            }

            // A chunk of an odd length is followed by a byte.
            position += HeaderBytes + length + (length & 1);
        }

        return [];
    }
}
