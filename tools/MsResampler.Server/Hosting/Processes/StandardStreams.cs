using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Server.Hosting.Processes;

/// <summary>Standard output and standard error of the process. Linux gives the number of a stream that was closed when
/// the process started to the next file or socket that it opens: text must not go there.</summary>
internal static class StandardStreams
{
    private const int OutputDescriptor = 1;
    private const int ErrorDescriptor = 2;
    private const int CloseOnExec = 0x80000;

    private static readonly List<SafeFileHandle> s_placeholders = [];

    /// <summary>Opens both streams. This is called before the process opens other files.</summary>
    /// <returns>The streams; <see cref="Stream.Null"/> for one that was closed.</returns>
    public static (Stream Output, Stream Error) Open()
    {
        if (!OperatingSystem.IsLinux())
            return (Console.OpenStandardOutput(), Console.OpenStandardError());
        (bool hasOutput, bool hasError) = (IsInherited(OutputDescriptor), IsInherited(ErrorDescriptor));
        SafeFileHandle placeholder;
        do
        {
            placeholder = File.OpenHandle("/dev/null");
            s_placeholders.Add(placeholder);
        }
        while (placeholder.DangerousGetHandle() <= ErrorDescriptor);
        placeholder.Dispose();
        return (hasOutput ? Console.OpenStandardOutput() : Stream.Null,
            hasError ? Console.OpenStandardError() : Stream.Null);
    }

    /// <summary>Whether a descriptor is inherited. Inherited descriptors do not have the flag close-on-exec; those that
    /// the process opened itself have it.</summary>
    private static bool IsInherited(int descriptor)
    {
        try
        {
            string[] lines = File.ReadAllLines(string.Create(CultureInfo.InvariantCulture,
                $"/proc/self/fdinfo/{descriptor}"));
            string? flags = lines.FirstOrDefault(line => line.StartsWith("flags:", StringComparison.Ordinal));
            return flags is null || (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & CloseOnExec) == 0;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        catch (DirectoryNotFoundException)
        {
            return true; // there is no /proc
        }
    }
}
