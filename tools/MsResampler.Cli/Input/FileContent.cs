using System.Text;

namespace MsResampler.Cli.Input;

/// <summary>Names what a file is by its first bytes, where that helps who gave the wrong one.</summary>
internal static class FileContent
{
    private const int HeadBytes = 512;

    private static readonly (string Start, string Name)[] s_pictures =
    [
        ("\u0089PNG", "a PNG picture"),
        ("\u00FF\u00D8\u00FF", "a JPEG picture"),
        ("RIFF", "a WebP picture or another RIFF file"),
    ];

    private static readonly (string Start, string Name)[] s_others =
    [
        ("\u0093NUMPY", "a .npy array"),
        ("PK\u0003\u0004", "a zip archive, as .npz and PyTorch's .pt files are"),
        ("\u0080\u0002", "a Python pickle"),
        ("\u0089HDF", "an HDF5 file"),
        ("GIF8", "a GIF picture"),
        ("%PDF", "a PDF document"),
        ("version https://git-lfs", "a Git LFS pointer: git lfs pull brings the file itself"),
        ("<!DOCTYPE", "an HTML page, not the file it links to"),
        ("<html", "an HTML page, not the file it links to"),
    ];

    /// <summary>Whether the file starts as pictures do that can be decoded.</summary>
    public static bool IsPicture(InputFile file) => Find(s_pictures, Head(file)) is not null;

    /// <summary>Whether the file starts as .npy files do.</summary>
    public static bool IsNpy(InputFile file) => Head(file).StartsWith(s_others[0].Start, StringComparison.Ordinal);

    /// <summary>What the file is, or null where that is not known.</summary>
    public static string? Describe(InputFile file)
    {
        string head = Head(file);
        return head.Length == 0 ? "an empty file" : Find(s_pictures, head) ?? Find(s_others, head);
    }

    private static string? Find((string Start, string Name)[] kinds, string head)
        => Array.Find(kinds, kind => head.StartsWith(kind.Start, StringComparison.OrdinalIgnoreCase)).Name;

    /// <summary>The first bytes as characters of Latin-1, without the byte order mark and the space that text may start
    /// with.</summary>
    private static string Head(InputFile file)
    {
        using FileStream stream = file.OpenRead();
        byte[] head = new byte[HeadBytes];
        return Encoding.Latin1.GetString(head, 0, stream.ReadAtLeast(head, HeadBytes, throwOnEndOfStream: false))
            .TrimStart('\u00EF', '\u00BB', '\u00BF', ' ', '\t', '\r', '\n');
    }
}
