using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Inserts an EXIF orientation into picture files.</summary>
internal static class ExifFiles
{
    private const int PngHeaderBytes = 33;

    /// <summary>The file with an EXIF directory that has one entry.</summary>
    /// <param name="file">The file without it.</param>
    /// <param name="format">Its format.</param>
    /// <param name="orientation">From 1 to 8.</param>
    /// <param name="type">The type of the entry: 3 for a short integer, 4 for a long one.</param>
    /// <param name="count">The number of values of the entry.</param>
    public static byte[] WithOrientation(byte[] file, SKEncodedImageFormat format, int orientation, byte type = 3,
        byte count = 1)
    {
        byte[] exif =
        [
            .. "II"u8, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, type, 0, count, 0, 0, 0,
            (byte)orientation, 0, 0, 0, 0, 0, 0, 0,
        ];
        return format switch
        {
            SKEncodedImageFormat.Jpeg =>
                [.. file.AsSpan(0, 2), 0xFF, 0xE1, 0, (byte)(exif.Length + 8), .. "Exif\0\0"u8, .. exif,
                    .. file.AsSpan(2)],
            SKEncodedImageFormat.Png => InsertChunk(file, PngHeaderBytes, exif),
            _ => ExtendWebp(file, exif),
        };
    }

    /// <summary>A PNG file with an eXIf chunk at the given position.</summary>
    public static byte[] InsertChunk(byte[] png, int position, byte[] exif)
        => [.. png.AsSpan(0, position), .. PngFiles.Chunk("eXIf", exif), .. png.AsSpan(position)];

    /// <summary>A WebP file whose EXIF chunk is before or after the pixels.</summary>
    public static byte[] WebpWithOrientation(byte[] webp, int orientation, bool isLast)
    {
        byte[] extended = WithOrientation(webp, SKEncodedImageFormat.Webp, orientation);
        if (isLast)
            return extended;
        // The chunk has 8 bytes before its content; RIFF and VP8X have 30 together.
        const int Start = 30;
        int exifBytes = extended.Length - Start - (webp.Length - 12);
        return [.. extended.AsSpan(0, Start), .. extended.AsSpan(extended.Length - exifBytes),
            .. extended.AsSpan(Start, webp.Length - 12)];
    }

    private static byte[] ExtendWebp(byte[] webp, byte[] exif)
    {
        using SKCodec codec = SKCodec.Create(new MemoryStream(webp));
        (int width, int height) = (codec.Info.Width - 1, codec.Info.Height - 1);
        byte[] chunks =
        [
            .. "VP8X"u8, 10, 0, 0, 0, 8, 0, 0, 0, (byte)width, 0, 0, (byte)height, 0, 0, .. webp.AsSpan(12),
            .. "EXIF"u8, (byte)exif.Length, 0, 0, 0, .. exif,
        ];
        return [.. "RIFF"u8, .. BitConverter.GetBytes(4 + chunks.Length), .. "WEBP"u8, .. chunks];
    }
}
