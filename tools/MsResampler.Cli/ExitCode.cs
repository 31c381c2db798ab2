namespace MsResampler.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>A check ran and failed.</summary>
    public const int CheckFailed = 1;

    /// <summary>Bad input or usage.</summary>
    public const int BadInput = 2;

    /// <summary>What ending by a signal adds to the signal's number.</summary>
    public const int SignalBase = 128;

    /// <summary>Ended by Ctrl-C.</summary>
    public const int Interrupted = SignalBase + 2;
}
