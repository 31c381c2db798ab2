using System.Buffers.Binary;
using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Inserts an EXIF orientation into picture files.</summary>
internal static class ExifFiles
{
    private const int PngHeaderBytes = 33;

    /// <summary>The file with an EXIF directory that has one entry.</summary>
    public static byte[] WithOrientation(byte[] file, SKEncodedImageFormat format, int orientation)
    {
        byte[] exif =
        [
            .. "II"u8, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0,
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
    {
        byte[] length = new byte[4], checksum = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, exif.Length);
        BinaryPrimitives.WriteUInt32BigEndian(checksum, Checksum([.. "eXIf"u8, .. exif]));
        return [.. png.AsSpan(0, position), .. length, .. "eXIf"u8, .. exif, .. checksum, .. png.AsSpan(position)];
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

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte value in bytes)
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++)
                sum = (sum >> 1) ^ ((sum & 1) * 0xEDB88320u);
        }

        return ~sum;
    }
}
