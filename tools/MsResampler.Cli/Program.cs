using MsResampler.Cli.Display;
using MsResampler.Cli.Native;
using MsResampler.Files;

namespace MsResampler.Cli;

/// <summary>The process around a command line: whatever happens in it ends with a documented exit code.</summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        try
        {
            return Run(args);
        }
#pragma warning disable CA1031 // What a command line's own last line of defence does not catch: parts of the program
        catch (Exception exception) // that cannot be loaded, for want of memory or of file handles.
#pragma warning restore CA1031
        {
            Say(PlainError.Describe(exception));
            return ExitCode.BadInput;
        }
    }

    private static int Run(string[] args)
    {
        Interruption.Listen(Say);
        AppDomain.CurrentDomain.UnhandledException += EndOnUnhandled;
        StandardStreams.Open();
        // Opened before they are needed, while there are handles left.
        StandardStreams.Error.Flush();
        if (!StandardStreams.HasOutput)
        {
            Say("standard output is closed; redirect it to /dev/null where it is not wanted");
            return ExitCode.BadInput;
        }

        int exitCode = CommandLine.Run(args, Terminal.ForProcess(), Interruption.Token);
        // At once: the threads of a command that was interrupted may be at work still.
        if (Interruption.ExitCode is { } signalled)
            ProcessEnd.Now(signalled);
        return exitCode;
    }

    /// <summary>Threads of the runtime fail too, where there is no memory for one more.</summary>
    private static void EndOnUnhandled(object sender, UnhandledExceptionEventArgs arguments)
    {
        Unfinished.Abandon(TimeSpan.FromSeconds(1));
        Say(PlainError.Describe((Exception)arguments.ExceptionObject));
        ProcessEnd.Now(ExitCode.BadInput);
    }

    private static void Say(string text)
    {
        try
        {
            StandardStreams.Error.WriteLine($"{StatusLine.Removal}error: {text}");
        }
#pragma warning disable CA1031 // Nobody can be told; the exit code has to do.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
