using System.Runtime.InteropServices;
using MsResampler.Cli;
using MsResampler.Cli.Display;

using CancellationTokenSource interruption = new();
int signalExitCode = ExitCode.Interrupted;

// The first signal asks for a clean end, which removes temporary files; a second one ends the process at
// once.
void Interrupt(PosixSignalContext context)
{
    context.Cancel = !interruption.IsCancellationRequested;
    signalExitCode = context.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted;
    interruption.Cancel();
}

using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using PosixSignalRegistration onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
int exitCode = CommandLine.Run(args, Terminal.ForProcess(), interruption.Token);
return exitCode == ExitCode.Interrupted ? signalExitCode : exitCode;
