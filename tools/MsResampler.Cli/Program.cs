using MsResampler.Files;

namespace MsResampler.Cli;

/// <summary>The process. It always ends with a documented exit code.</summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        try
        {
            return Run(args);
        }
#pragma warning disable CA1031 // Parts of the program may fail to load for lack of memory or file handles, even the
        catch (Exception exception) // parts that handle errors in CommandLine.
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
        // Opened now, while there are free file handles.
        StandardStreams.Error.Flush();
        StartThreadPool();
        if (!StandardStreams.HasOutput)
        {
            Say("standard output is closed; redirect it to /dev/null if you do not need it");
            return ExitCode.BadInput;
        }

        int exitCode = CommandLine.Run(args, Terminal.ForProcess(), Interruption.Token);
        // At once, because threads of the interrupted command may still run.
        if (Interruption.ExitCode is { } signalled)
            ProcessEnd.Now(signalled);
        return exitCode;
    }

    /// <summary>Starts the thread pool while there are free file handles. .NET aborts the process if the pool cannot
    /// start its gate thread, so this first opens some handles: that fails with an exception.</summary>
    private static void StartThreadPool()
    {
        const int NeededHandleCount = 8;
        if (OperatingSystem.IsWindows())
            return;
        Stack<IDisposable> handles = [];
        for (int index = 0; index < NeededHandleCount; index++)
            handles.Push(File.OpenHandle("/dev/null"));
        while (handles.TryPop(out IDisposable? handle))
            handle.Dispose();
        ThreadPool.UnsafeQueueUserWorkItem(static _ => { }, null);
    }

    /// <summary>Handles exceptions of other threads. Threads of the runtime can fail for lack of memory.</summary>
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
#pragma warning disable CA1031 // The error cannot be shown; only the exit code remains.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
