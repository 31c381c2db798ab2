using MsResampler.Files;

namespace MsResampler.Cli.Input;

/// <summary>Detects the type of a file from its first bytes.</summary>
internal static class FileContent
{
    /// <summary>Whether the file starts like a PNG, JPEG or WebP picture.</summary>
    public static bool IsPicture(InputFile file)
        => Start(file) is [0x89, (byte)'P', (byte)'N', (byte)'G', ..] or [0xff, 0xd8, 0xff, ..]
            or [(byte)'R', (byte)'I', (byte)'F', (byte)'F', ..];

    /// <summary>Whether the file starts like a .npy file.</summary>
    public static bool IsNpy(InputFile file)
        => Start(file) is [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', ..];

    /// <inheritdoc cref="FileKind.Describe"/>
    public static string? Describe(InputFile file) => FileKind.Describe(Start(file));

    private static byte[] Start(InputFile file)
    {
        using FileStream stream = file.OpenRead();
        byte[] start = new byte[FileKind.StartBytes];
        return start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
    }
}
