using System.Buffers.Binary;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace MsResampler.Vision;

/// <summary>Reads the orientation in the eXIf chunk of a PNG file. Skia reads it only for JPEG and WebP.</summary>
internal static class ExifOrientation
{
    private const int DirectoryEntryBytes = 12;
    private const ushort OrientationTag = 0x0112;
    private const ushort ShortType = 3;

    /// <summary>Returns the orientation of a PNG file; upright if the file does not specify it.</summary>
    public static SKEncodedOrigin OfPng(ReadOnlySpan<byte> png)
        => PngChunks.TryFind(png, "eXIf"u8, out ReadOnlySpan<byte> exif) ? OfExif(exif) : SKEncodedOrigin.TopLeft;

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
            return TryReadUInt16(exif, entry + 2, isLittle, out ushort type) && type == ShortType
                && TryReadUInt32(exif, entry + 4, isLittle, out uint count) && count == 1
                && TryReadUInt16(exif, entry + 8, isLittle, out ushort value) && value is >= 1 and <= 8
                    ? (SKEncodedOrigin)value : SKEncodedOrigin.TopLeft;
        }

        return SKEncodedOrigin.TopLeft;
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
