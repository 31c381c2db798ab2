using System.Buffers.Binary;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace MsResampler.Vision;

/// <summary>Reads the orientation in the EXIF data of a file. Skia does not read it in PNG, and in other formats only
/// as a short integer.</summary>
internal static class ExifOrientation
{
    private const int DirectoryEntryBytes = 12;
    private const ushort OrientationTag = 0x0112;
    private const ushort ShortType = 3;
    private const ushort LongType = 4;

    /// <summary>What precedes EXIF data in a JPEG file.</summary>
    public static ReadOnlySpan<byte> Prefix => "Exif\0\0"u8;

    /// <summary>Returns the orientation of a file; upright if the file does not specify it.</summary>
    /// <param name="format">The format of the file.</param>
    /// <param name="file">The file.</param>
    public static SKEncodedOrigin Of(SKEncodedImageFormat format, ReadOnlySpan<byte> file) => OfExif(format switch
    {
        SKEncodedImageFormat.Jpeg => JpegStructure.FindExif(file),
        SKEncodedImageFormat.Png => PngChunks.TryFind(file, "eXIf"u8, out ReadOnlySpan<byte> exif) ? exif : [],
        SKEncodedImageFormat.Webp => WebpChunks.FindExif(file),
        _ => [],
    });

    /// <summary>Returns the orientation in EXIF data: a TIFF header and its first directory.</summary>
    private static SKEncodedOrigin OfExif(ReadOnlySpan<byte> exif)
    {
        bool isLittle = exif.StartsWith("II*\0"u8);
        if (!isLittle && !exif.StartsWith("MM\0*"u8))
            return SKEncodedOrigin.TopLeft;
        if (!TryReadUInt32(exif, 4, isLittle, out uint directory)
            || !TryReadUInt16(exif, directory, isLittle, out ushort entryCount))
            return SKEncodedOrigin.TopLeft;
        for (int index = 0; index < entryCount; index++)
        {
            long entry = directory + 2L + (index * (long)DirectoryEntryBytes);
            if (!TryReadUInt16(exif, entry, isLittle, out ushort tag))
                break;
            if (tag != OrientationTag)
                continue;
            return TryReadValue(exif, entry, isLittle, out uint value) && value is >= 1 and <= 8
                ? (SKEncodedOrigin)value : SKEncodedOrigin.TopLeft;
        }

        return SKEncodedOrigin.TopLeft;
    }

    /// <summary>Reads the first value of a directory entry; the orientation is always within it.</summary>
    private static bool TryReadValue(ReadOnlySpan<byte> exif, long entry, bool isLittle, out uint value)
    {
        value = 0;
        if (!TryReadUInt16(exif, entry + 2, isLittle, out ushort type) || type is not (ShortType or LongType))
            return false;
        if (type == LongType)
            return TryReadUInt32(exif, entry + 8, isLittle, out value);
        bool isRead = TryReadUInt16(exif, entry + 8, isLittle, out ushort shortValue);
        value = shortValue;
        return isRead;
    }

    private static bool TryReadUInt16(ReadOnlySpan<byte> bytes, long offset, bool isLittle, out ushort value)
    {
        bool isInside = offset + sizeof(ushort) <= bytes.Length;
        ushort stored = isInside ? MemoryMarshal.Read<ushort>(bytes[(int)offset..]) : (ushort)0;
        value = isLittle == BitConverter.IsLittleEndian ? stored : BinaryPrimitives.ReverseEndianness(stored);
        return isInside;
    }

    private static bool TryReadUInt32(ReadOnlySpan<byte> bytes, long offset, bool isLittle, out uint value)
    {
        value = 0;
        if (!TryReadUInt16(bytes, offset, isLittle, out ushort first)
            || !TryReadUInt16(bytes, offset + sizeof(ushort), isLittle, out ushort second))
        {
            return false;
        }

        value = isLittle ? first | ((uint)second << 16) : ((uint)first << 16) | second;
        return true;
    }
}
