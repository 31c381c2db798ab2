using System.Globalization;
using Microsoft.Win32.SafeHandles;
using MsResampler.Cli.Output;

namespace MsResampler.Cli.Native;

/// <summary>Standard output and standard error as the process was started with.</summary>
internal static class StandardStreams
{
    private const int OutputDescriptor = 1;
    private const int ErrorDescriptor = 2;
    private const int CloseOnExec = 0x80000;

    private static readonly List<SafeFileHandle> s_placeholders = [];

    /// <summary>Whether there is a standard output.</summary>
    public static bool HasOutput { get; private set; } = true;

    /// <summary>Whether there is a standard error.</summary>
    public static bool HasError { get; private set; } = true;

    /// <summary>Finds out which streams were closed. A process started without one of them uses its number for the
    /// first file that it opens: the runtime's pipes, or a model; text must not go there.</summary>
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

    /// <summary>Standard output: failing to write is an error of the command.</summary>
    public static TextWriter Output => new CheckedWriter(HasOutput ? Console.Out : TextWriter.Null,
        exception => new InputException($"standard output: {exception.Message}", exception));

    /// <summary>Standard error: where nobody can read it, the exit code has to do.</summary>
    public static TextWriter Error => new CheckedWriter(HasError ? Console.Error : TextWriter.Null, _ => null);

    /// <summary>What a descriptor inherited does not close on exec; what the process opened itself does.</summary>
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
            return true; // no /proc
        }
    }
}
