using System.Runtime.InteropServices;

namespace MsResampler.Perf.Serving;

/// <summary>Calls of the C library.</summary>
internal static partial class NativeMethods
{
    /// <summary>Sends a signal to a process.</summary>
    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int process, int signal);
}
