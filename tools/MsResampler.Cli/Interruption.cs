using System.Runtime.InteropServices;
using MsResampler.Cli.Native;
using MsResampler.Files;

namespace MsResampler.Cli;

/// <summary>Ends the process when it is asked to: INT, TERM, HUP and QUIT cancel the command, and where that takes
/// longer than a moment, or at a second signal, unfinished files are removed and the process ends as it stands.
/// A signal that the process was started to ignore, as nohup does with HUP, stays ignored.</summary>
internal static class Interruption
{
    // Together well below the second that a person is promised.
    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(200);

    // The number on Linux, macOS and the BSDs, but for MIPS.
    private const PosixSignal FileSizeExceeded = (PosixSignal)25;

    private static readonly CancellationTokenSource s_source = new();

    // Kept to the end: a signal whose handler is gone ends the process.
    private static readonly List<PosixSignalRegistration> s_registrations = [];
    private static int s_signal;

    /// <summary>Starts to listen.</summary>
    /// <param name="say">Writes the error of a process that ends as it stands.</param>
    public static void Listen(Action<string> say)
    {
        foreach ((PosixSignal signal, int number) in (ReadOnlySpan<(PosixSignal, int)>)
            [(PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1), (PosixSignal.SIGQUIT, 3)])
            s_registrations.Add(PosixSignalRegistration.Create(signal, context => End(context, number, say)));
        // Writing beyond the limit then fails like writing to a full disk, in place of ending the process.
        if (!OperatingSystem.IsWindows())
            s_registrations.Add(PosixSignalRegistration.Create(FileSizeExceeded, context => context.Cancel = true));
    }

    /// <summary>Cancelled at the first signal.</summary>
    public static CancellationToken Token => s_source.Token;

    /// <summary>128 and the number of the first signal; null before one.</summary>
    public static int? ExitCode => Volatile.Read(ref s_signal) is var signal and not 0 ? Cli.ExitCode.SignalBase + signal
        : null;

    /// <summary>Runs on a thread of its own for each signal.</summary>
    private static void End(PosixSignalContext context, int number, Action<string> say)
    {
        context.Cancel = true;
        bool isFirst = Interlocked.CompareExchange(ref s_signal, number, 0) == 0;
        if (isFirst)
        {
            // Not Cancel, which runs what waits for the cancellation on this thread.
            _ = s_source.CancelAsync();
            Thread.Sleep(s_grace);
        }

        bool isClean = Unfinished.Abandon(s_patience);
        if (isFirst)
        {
            // On a thread of its own: nobody may be reading standard error.
            Thread speaker = new(() => say(isClean ? PlainError.Interrupted : "interrupted"))
            {
                IsBackground = true,
            };
            speaker.Start();
            speaker.Join(s_patience);
        }

        ProcessEnd.Now(Cli.ExitCode.SignalBase + number);
    }
}
