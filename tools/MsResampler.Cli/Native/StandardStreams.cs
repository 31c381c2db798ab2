namespace MsResampler.Cli.Native;

/// <summary>Standard output and standard error of the process.</summary>
internal static class StandardStreams
{
    /// <summary>Whether standard output is open.</summary>
    public static bool HasOutput { get; private set; } = true;

    /// <summary>Whether standard error is open.</summary>
    public static bool HasError { get; private set; } = true;

    /// <summary>Detects which streams were closed when the process started.</summary>
    public static void Open() => (HasOutput, HasError) = StreamDescriptors.Detect();

    /// <summary>Standard output. If a write fails, the command fails.</summary>
    public static TextWriter Output => new CheckedWriter(HasOutput ? Console.Out : TextWriter.Null,
        exception => new InputException($"standard output: {exception.Message}", exception));

    /// <summary>Standard error. If a write fails, only the exit code reports the error.</summary>
    public static TextWriter Error => new CheckedWriter(HasError ? Console.Error : TextWriter.Null, _ => null);
}
