namespace MsResampler.Cli;

/// <summary>The exit codes of the process.</summary>
internal static class ExitCode
{
    /// <summary>The command succeeded.</summary>
    public const int Done = 0;

    /// <summary>A check ran and failed.</summary>
    public const int CheckFailed = 1;

    /// <summary>The input or the arguments are invalid.</summary>
    public const int BadInput = 2;

    /// <summary>The exit code after a signal is this value plus the signal's number.</summary>
    public const int SignalBase = 128;

    /// <summary>Ctrl-C ended the process.</summary>
    public const int Interrupted = SignalBase + 2;
}
