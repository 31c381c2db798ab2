using System.Buffers.Binary;

namespace MsResampler.Vision;

/// <summary>Parses the markers of a JPEG file (ITU-T T.81, annex B), to distinguish a file without end marker from a
/// file with missing pixels.</summary>
internal static class JpegStructure
{
    /// <summary>The end marker.</summary>
    public const byte EndOfImage = 0xD9;

    private const byte StartOfFrame0 = 0xC0;
    private const byte StartOfFrame1 = 0xC1;
    private const byte StartOfFrame15 = 0xCF;
    private const byte DefineHuffmanTables = 0xC4;
    private const byte Extension = 0xC8;
    private const byte DefineArithmeticConditioning = 0xCC;
    private const byte StartOfImage = 0xD8;
    private const byte StartOfScan = 0xDA;
    private const byte DefineRestartInterval = 0xDD;
    private const byte Application1 = 0xE1;

    /// <summary>Returns the position after the last pixel of a sequential file, where the end marker belongs. Returns
    /// null if pixels are missing, and for other kinds of files: whole scans may be missing from a progressive
    /// file.</summary>
    public static int? FindEndOfPixels(ReadOnlySpan<byte> jpeg) => FindEndOfPixels(jpeg, out _);

    /// <summary>Whether a sequential file ends before its last block. Decoders fill the missing pixels with grey, and
    /// report no error if there is an end marker.</summary>
    public static bool LacksPixels(ReadOnlySpan<byte> jpeg)
    {
        _ = FindEndOfPixels(jpeg, out bool endsEarly);
        return endsEarly;
    }

    private static int? FindEndOfPixels(ReadOnlySpan<byte> jpeg, out bool endsEarly)
    {
        endsEarly = false;
        JpegScan scan = new();
        int position = 0;
        while (TryReadMarker(jpeg, ref position, out byte marker))
        {
            if (marker == EndOfImage && scan.ComponentCount > 0)
            {
                endsEarly = true;
                return null;
            }

            if (marker is StartOfImage or EndOfImage)
                continue;
            if (!TryReadSegment(jpeg, ref position, out ReadOnlySpan<byte> segment))
                return null;
            bool isGood = marker switch
            {
                StartOfFrame0 or StartOfFrame1 => scan.ReadFrame(segment),
                DefineHuffmanTables => scan.ReadTables(segment),
                DefineRestartInterval => scan.ReadRestartInterval(segment),
                StartOfScan => scan.Walk(segment, jpeg, ref position),
                _ => !IsStartOfFrame(marker),
            };
            endsEarly = scan.EndsEarly;
            if (!isGood)
                return null;
            if (scan.IsWhole)
                return position;
        }

        return null;
    }

    /// <summary>The number of samples that a decoder must keep until it can output the first row; 0 if it outputs rows
    /// while it reads.</summary>
    public static long CountKeptSamples(ReadOnlySpan<byte> jpeg)
    {
        JpegScan scan = new();
        bool isSequential = false;
        int position = 0;
        while (TryReadMarker(jpeg, ref position, out byte marker))
        {
            if (marker is StartOfImage or EndOfImage)
                continue;
            if (!TryReadSegment(jpeg, ref position, out ReadOnlySpan<byte> segment))
                break;
            if (IsStartOfFrame(marker))
            {
                isSequential = marker is StartOfFrame0 or StartOfFrame1;
                if (!scan.ReadFrame(segment))
                    break;
            }
            else if (marker == StartOfScan)
            {
                return isSequential && segment.Length > 0 && segment[0] == scan.ComponentCount ? 0 : scan.SampleCount;
            }
        }

        return scan.SampleCount;
    }

    /// <summary>The EXIF data before the pixels; empty if there are none.</summary>
    public static ReadOnlySpan<byte> FindExif(ReadOnlySpan<byte> jpeg)
    {
        int position = 0;
        while (TryReadMarker(jpeg, ref position, out byte marker) && marker is not (StartOfScan or EndOfImage))
        {
            if (marker == StartOfImage)
                continue;
            if (!TryReadSegment(jpeg, ref position, out ReadOnlySpan<byte> segment))
                break;
            if (marker == Application1 && segment.StartsWith(ExifOrientation.Prefix))
                return segment[ExifOrientation.Prefix.Length..];
        }

        return [];
    }

    private static bool IsStartOfFrame(byte marker) => marker is >= StartOfFrame0 and <= StartOfFrame15
        and not (DefineHuffmanTables or Extension or DefineArithmeticConditioning);

    private static bool TryReadMarker(ReadOnlySpan<byte> jpeg, ref int position, out byte marker)
    {
        // Fill bytes can precede a marker, and decoders skip stray bytes.
        while (position + 1 < jpeg.Length)
        {
            marker = jpeg[position + 1];
            if (jpeg[position] == 0xFF && marker is not (0 or 1 or 0xFF or (>= 0xD0 and <= 0xD7)))
            {
                position += 2;
                return true;
            }

            position++;
        }

        marker = 0;
        return false;
    }

    private static bool TryReadSegment(ReadOnlySpan<byte> jpeg, scoped ref int position, out ReadOnlySpan<byte> segment)
    {
        segment = default;
        if (position + 2 > jpeg.Length)
            return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(jpeg[position..]);
        if (length < 2 || position + length > jpeg.Length)
            return false;
        segment = jpeg.Slice(position + 2, length - 2);
        position += length;
        return true;
    }
}
