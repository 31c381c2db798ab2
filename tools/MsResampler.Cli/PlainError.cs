namespace MsResampler.Cli;

/// <summary>Words for what ends a process, which need nothing that may be missing: no other assembly is loaded for
/// them.</summary>
internal static class PlainError
{
    /// <summary>What a command says that was ended by a signal.</summary>
    public const string Interrupted = "interrupted; nothing half-written was left behind";

    /// <summary>What a command says that ran out of memory.</summary>
    public const string OutOfMemory = "out of memory: fewer or smaller images, or a smaller model, would fit";

    /// <summary>One line for an exception that parts of the program may be the cause of.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        OutOfMemoryException => OutOfMemory,
        FileNotFoundException or FileLoadException or TypeInitializationException or DllNotFoundException
            or BadImageFormatException or EntryPointNotFoundException or PlatformNotSupportedException =>
            $"a part of the program cannot be loaded ({FirstLine(Innermost(exception).Message)}); it may be damaged, " +
            "or too few open files allowed (ulimit -n)",
        _ => FirstLine(exception.Message),
    };

    private static Exception Innermost(Exception exception)
        => exception.InnerException is { } inner ? Innermost(inner) : exception;

    private static string FirstLine(string text) => text.Split('\n')[0].Trim();
}
