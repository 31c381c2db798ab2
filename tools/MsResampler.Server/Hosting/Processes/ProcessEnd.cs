using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace MsResampler.Server.Hosting.Processes;

/// <summary>Ends the process at once.</summary>
internal static partial class ProcessEnd
{
    /// <summary>Ends the process without handlers and without exit functions of native libraries, whose threads may
    /// still run: a model that is being loaded, or a batch that nobody waits for.</summary>
    [DoesNotReturn]
    public static void Now(int exitCode)
    {
        if (!OperatingSystem.IsWindows())
            Leave(exitCode);
        Environment.Exit(exitCode);
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Leave(int exitCode);
}
