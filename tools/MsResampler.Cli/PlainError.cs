namespace MsResampler.Cli;

/// <summary>Messages for errors that end the process. They need no other assembly, because parts of the program may be
/// missing.</summary>
internal static class PlainError
{
    /// <summary>The message after a signal.</summary>
    public const string Interrupted = "interrupted; no incomplete files remain";

    /// <summary>The message if there is not enough memory.</summary>
    public const string OutOfMemory = "out of memory: use fewer or smaller images, or a smaller model";

    /// <summary>Describes an exception in one line. Its cause can be a part of the program that cannot be
    /// loaded.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        OutOfMemoryException => OutOfMemory,
        FileNotFoundException or FileLoadException or TypeInitializationException or DllNotFoundException
            or BadImageFormatException or EntryPointNotFoundException or PlatformNotSupportedException =>
            $"a part of the program cannot be loaded ({FirstLine(Innermost(exception).Message)}); the installation " +
            "may be damaged, or the limit of open files too low (ulimit -n)",
        _ => FirstLine(exception.Message),
    };

    private static Exception Innermost(Exception exception)
        => exception.InnerException is { } inner ? Innermost(inner) : exception;

    private static string FirstLine(string text) => text.Split('\n')[0].Trim();
}
