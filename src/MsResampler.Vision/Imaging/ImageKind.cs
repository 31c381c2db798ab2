using MsResampler.Files;

namespace MsResampler.Vision;

/// <summary>Recognises files that are not decoded, so that an error can name their format.</summary>
internal static class ImageKind
{
    private const int BrandOffset = 8;
    private const int RiffTypeOffset = 8;

    /// <summary>Whether the bytes start like a PNG, JPEG or WebP picture. Other files do not reach Skia, which would
    /// try all its formats.</summary>
    public static bool IsPicture(ReadOnlySpan<byte> bytes)
        => bytes is [0x89, (byte)'P', (byte)'N', (byte)'G', ..] or [0xff, 0xd8, 0xff, ..]
            || (bytes.StartsWith("RIFF"u8) && bytes.Length >= RiffTypeOffset + 4
                && bytes[RiffTypeOffset..].StartsWith("WEBP"u8));

    /// <summary>A description that completes "found …" in an error message, or null for an unknown format.</summary>
    public static string? Describe(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= BrandOffset + 4 && bytes[4..].StartsWith("ftyp"u8))
            return DescribeBrand(bytes[BrandOffset..]);
        return bytes switch
        {
            [(byte)'I', (byte)'I', 42, 0, ..] or [(byte)'M', (byte)'M', 0, 42, ..] => "a TIFF picture",
            [0xff, 0x0a, ..] or [0, 0, 0, 12, (byte)'J', (byte)'X', (byte)'L', ..] => "a JPEG XL picture",
            [0xff, 0x4f, 0xff, 0x51, ..] or [0, 0, 0, 12, (byte)'j', (byte)'P', ..] => "a JPEG 2000 picture",
            [(byte)'8', (byte)'B', (byte)'P', (byte)'S', ..] => "a Photoshop document",
            [(byte)'B', (byte)'M', ..] => "a BMP picture",
            [(byte)'R', (byte)'I', (byte)'F', (byte)'F', ..] => "a RIFF file that is not WebP, or is cut off",
            _ when bytes.TrimStart(" \t\r\n"u8).StartsWith("<svg"u8) => "an SVG drawing",
            _ => FileKind.Describe(bytes[..Math.Min(bytes.Length, FileKind.StartBytes)]),
        };
    }

    private static string DescribeBrand(ReadOnlySpan<byte> brand)
    {
        if (brand.StartsWith("avi"u8))
            return "an AVIF picture";
        return brand.StartsWith("he"u8) || brand.StartsWith("mif1"u8) || brand.StartsWith("msf1"u8)
            ? "a HEIC picture" : "a video or another file of the MP4 family";
    }
}
