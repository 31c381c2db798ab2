using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Native;

/// <summary>Standard output and standard error of the process.</summary>
internal static class StandardStreams
{
    private const int OutputDescriptor = 1;
    private const int ErrorDescriptor = 2;
    private const int CloseOnExec = 0x80000;

    private static readonly List<SafeFileHandle> s_placeholders = [];

    /// <summary>Whether standard output is open.</summary>
    public static bool HasOutput { get; private set; } = true;

    /// <summary>Whether standard error is open.</summary>
    public static bool HasError { get; private set; } = true;

    /// <summary>Detects which streams were closed when the process started. Linux gives the number of a closed stream
    /// to the first file that the process opens, such as a pipe of the runtime or a model. Text must not go
    /// there.</summary>
    public static void Open()
    {
        if (!OperatingSystem.IsLinux())
            return;
        HasOutput = IsInherited(OutputDescriptor);
        HasError = IsInherited(ErrorDescriptor);
        SafeFileHandle placeholder;
        do
        {
            placeholder = File.OpenHandle("/dev/null");
            s_placeholders.Add(placeholder);
        }
        while (placeholder.DangerousGetHandle() <= ErrorDescriptor);
        placeholder.Dispose();
    }

    /// <summary>Standard output. If a write fails, the command fails.</summary>
    public static TextWriter Output => new CheckedWriter(HasOutput ? Console.Out : TextWriter.Null,
        exception => new InputException($"standard output: {exception.Message}", exception));

    /// <summary>Standard error. If a write fails, only the exit code reports the error.</summary>
    public static TextWriter Error => new CheckedWriter(HasError ? Console.Error : TextWriter.Null, _ => null);

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
