using System.Runtime.InteropServices;
using MsResampler.Files;

namespace MsResampler.Cli;

/// <summary>Handles the signals INT, TERM, HUP and QUIT. The first signal cancels the command. If the command does not
/// end quickly, or at a second signal, unfinished files are removed and the process ends at once. A signal that was
/// ignored when the process started stays ignored, such as HUP after nohup.</summary>
internal static class Interruption
{
    // The grace period and two waits of this patience stay below the documented limit of one second.
    private static readonly TimeSpan s_shortGrace = TimeSpan.FromMilliseconds(300);
    // The documented limit of train, which writes a checkpoint.
    private static readonly TimeSpan s_longGrace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(200);

    // SIGXFSZ on Linux, macOS and the BSDs, except MIPS.
    private const PosixSignal FileSizeExceeded = (PosixSignal)25;

    private static readonly CancellationTokenSource s_source = new();

    // Kept until the process ends: without its registration, a signal would end the process.
    private static readonly List<PosixSignalRegistration> s_registrations = [];
    private static int s_signal;
    private static volatile bool s_isGraceLong;

    /// <summary>Installs the handlers.</summary>
    /// <param name="say">Writes an error message before the process ends.</param>
    public static void Listen(Action<string> say)
    {
        foreach ((PosixSignal signal, int number) in (ReadOnlySpan<(PosixSignal, int)>)
            [(PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1), (PosixSignal.SIGQUIT, 3)])
            s_registrations.Add(PosixSignalRegistration.Create(signal, context => End(context, number, say)));
        // A write beyond the file size limit then fails like a write to a full disk and does not end the process.
        if (!OperatingSystem.IsWindows())
            s_registrations.Add(PosixSignalRegistration.Create(FileSizeExceeded, context => context.Cancel = true));
    }

    /// <summary>The message after a signal, if the command has not changed files that it cannot complete.</summary>
    public static string Notice { get; set; } = PlainError.Interrupted;

    /// <summary>A token that the first signal cancels.</summary>
    public static CancellationToken Token => s_source.Token;

    /// <summary>128 plus the number of the first signal; null before the first signal.</summary>
    public static int? ExitCode
        => Volatile.Read(ref s_signal) is var signal and not 0 ? Cli.ExitCode.SignalBase + signal : null;

    /// <summary>Gives the command ten seconds to end after the first signal, until disposal: it has a state to save. A
    /// second signal ends the process at once.</summary>
    public static IDisposable ExtendGrace()
    {
        s_isGraceLong = true;
        return new Extension();
    }

    /// <summary>Handles a signal. Each signal has its own thread.</summary>
    private static void End(PosixSignalContext context, int number, Action<string> say)
    {
        context.Cancel = true;
        bool isFirst = Interlocked.CompareExchange(ref s_signal, number, 0) == 0;
        if (isFirst)
        {
            // Cancel would run the callbacks of the cancellation on this thread.
            _ = s_source.CancelAsync();
            Thread.Sleep(s_isGraceLong ? s_longGrace : s_shortGrace);
        }

        bool isClean = Unfinished.Abandon(s_patience);
        if (isFirst)
        {
            // On its own thread, because a write to standard error blocks if nothing reads the pipe.
            Thread speaker = new(() => say(isClean ? Notice : "interrupted"))
            {
                IsBackground = true,
            };
            speaker.Start();
            speaker.Join(s_patience);
        }

        ProcessEnd.Now(Cli.ExitCode.SignalBase + number);
    }

    private sealed class Extension : IDisposable
    {
        public void Dispose() => s_isGraceLong = false;
    }
}
