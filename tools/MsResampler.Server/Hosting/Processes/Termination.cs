using System.Runtime.InteropServices;

namespace MsResampler.Server.Hosting.Processes;

/// <summary>Handles the signals TERM, INT, QUIT and HUP. Once there is a server, the first one asks it to stop; the
/// second one, or one before that, ends the process at once. A signal that was ignored when the process started stays
/// ignored, such as HUP after nohup.</summary>
internal sealed class Termination : IDisposable
{
    // SIGXFSZ on Linux, macOS and the BSDs, except MIPS.
    private const PosixSignal FileSizeExceeded = (PosixSignal)25;

    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly TaskCompletionSource<string> _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action _endNow;
    private volatile bool _hasServer;

    /// <summary>Installs the handlers.</summary>
    /// <param name="endNow">Ends the process at once.</param>
    public Termination(Action endNow)
    {
        _endNow = endNow;
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)
            [PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGHUP])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Request(context.Signal.ToString());
            }));
        }

        // A log that reaches the limit of file sizes then fails like one on a full disk and does not end the process.
        if (!OperatingSystem.IsWindows())
            _registrations.Add(PosixSignalRegistration.Create(FileSizeExceeded, context => context.Cancel = true));
    }

    /// <summary>Ends with the name of the first signal.</summary>
    public Task<string> Requested => _requested.Task;

    /// <summary>Says that from now on there is a server, which a signal asks to stop.</summary>
    public void Serve() => _hasServer = true;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private void Request(string signal)
    {
        if (!_hasServer || !_requested.TrySetResult(signal))
            _endNow();
    }
}
