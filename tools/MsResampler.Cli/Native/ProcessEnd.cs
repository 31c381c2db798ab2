using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace MsResampler.Cli.Native;

/// <summary>Ends the process at once.</summary>
internal static partial class ProcessEnd
{
    /// <summary>Ends the process without handlers and without exit functions of native libraries, whose threads may
    /// still run. <see cref="Environment.Exit"/> would run both.</summary>
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
