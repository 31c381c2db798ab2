using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Native;

/// <summary>The descriptors of standard output and standard error. Linux gives the number of a stream that was closed
/// when the process started to the first file that the process opens, such as a pipe of the runtime or a model. Text
/// must not go there.</summary>
internal static class StreamDescriptors
{
    private const int OutputDescriptor = 1;
    private const int ErrorDescriptor = 2;
    private const int CloseOnExec = 0x80000;

    private static readonly List<SafeFileHandle> s_placeholders = [];

    /// <summary>Detects which streams were open when the process started, and keeps the numbers of the others from
    /// later files.</summary>
    public static (bool HasOutput, bool HasError) Detect()
    {
        if (!OperatingSystem.IsLinux())
            return (true, true);
        (bool hasOutput, bool hasError) = (IsInherited(OutputDescriptor), IsInherited(ErrorDescriptor));
        SafeFileHandle placeholder;
        do
        {
            placeholder = File.OpenHandle("/dev/null");
            s_placeholders.Add(placeholder);
        }
        while (placeholder.DangerousGetHandle() <= ErrorDescriptor);
        placeholder.Dispose();
        return (hasOutput, hasError);
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
