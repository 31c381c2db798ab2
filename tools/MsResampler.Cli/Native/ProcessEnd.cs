using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace MsResampler.Cli.Native;

/// <summary>The end of the process that waits for nothing.</summary>
internal static partial class ProcessEnd
{
    /// <summary>Ends the process. <see cref="Environment.Exit"/> runs handlers, and the exit functions of native
    /// libraries whose threads may still be at work; this runs neither.</summary>
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
