namespace MsResampler.Files;

/// <summary>Recognises common file formats by their first bytes, so that an error about a file of the wrong
/// format can name the format.</summary>
internal static class FileKind
{
    /// <summary>The number of bytes that <see cref="Describe"/> examines.</summary>
    public const int StartBytes = 512;

    private const string Utf16 = "text in UTF-16; save it as UTF-8";

    /// <summary>The offset of the magic bytes of a tar archive.</summary>
    private const int TarMarkOffset = 257;

    /// <summary>A description of the format that completes "found …" in an error message, or null for an unknown
    /// format.</summary>
    public static string? Describe(ReadOnlySpan<byte> start) => start switch
    {
        [] => "an empty file; was it downloaded completely?",
        [0x1f, 0x8b, ..] => "a gzip archive; unpack it first",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive; unpack it first",
        [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => "an xz archive; unpack it first",
        [(byte)'7', (byte)'z', 0xbc, 0xaf, ..] => "a 7z archive; unpack it first",
        [(byte)'P', (byte)'K', 3 or 5, 4 or 6, ..] =>
            "a ZIP archive, such as a NumPy .npz or PyTorch .bin or .pt file; unpack it or convert it to safetensors",
        // A pickle of protocol 2 or newer begins with the protocol, followed by the opcode of a frame, a long
        // integer, an empty dictionary, a class name or an empty list.
        [0x80, >= 2 and <= 5, 0x95 or 0x8a or (byte)'}' or (byte)'c' or (byte)']', ..] =>
            "a Python pickle, as PyTorch writes .bin and .pt files; convert it to safetensors",
        [(byte)'G', (byte)'G', (byte)'U', (byte)'F', ..] => "a GGUF file; convert it to safetensors",
        [0x89, (byte)'H', (byte)'D', (byte)'F', ..] => "an HDF5 file; convert it to safetensors",
        [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', ..] => "a NumPy array (.npy)",
        [0x89, (byte)'P', (byte)'N', (byte)'G', ..] => "a PNG picture",
        [0xff, 0xd8, 0xff, ..] => "a JPEG picture",
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', ..] => "a WebP picture or another RIFF file",
        [(byte)'G', (byte)'I', (byte)'F', (byte)'8', ..] => "a GIF picture",
        [(byte)'%', (byte)'P', (byte)'D', (byte)'F', ..] => "a PDF document",
        [0x00, 0x05, 0x16, 0x07 or 0x00, ..] =>
            "an AppleDouble file, which macOS leaves beside the real one; use that",
        [0xff, 0xfe, ..] or [0xfe, 0xff, ..] or [(byte)'{', 0, ..] or [0, (byte)'{', ..] => Utf16,
        _ => start.StartsWith("version https://git-lfs"u8)
                ? "a Git LFS pointer in place of the file; run: git lfs pull"
            : start.Length > TarMarkOffset && start[TarMarkOffset..].StartsWith("ustar"u8)
                ? "a tar archive; unpack it first"
            : DescribeMarkup(start),
    };

    /// <summary>The text without a leading UTF-8 byte order mark.</summary>
    public static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> utf8) =>
        utf8.StartsWith("\ufeff"u8) ? utf8["\ufeff"u8.Length..] : utf8;

    private static string? DescribeMarkup(ReadOnlySpan<byte> start)
    {
        ReadOnlySpan<byte> text = WithoutMark(start).TrimStart(" \t\r\n"u8);
        if (text is not [(byte)'<', ..])
            return null;
        return text.StartsWith("<?xml"u8)
            ? "an XML page, such as a server's error; download the file again"
            : "an HTML page, such as a server's sign-in page or error; download the file again";
    }
}
