using System.Runtime.InteropServices;

namespace MsResampler.Cpu.Integer;

/// <summary>Pages of Windows. A process that forbids dynamic code (<c>ProcessDynamicCodePolicy</c>) refuses the change
/// to executable.</summary>
/// <remarks>Written from the documentation of the calls; no test has run it on Windows yet.</remarks>
internal sealed partial class WindowsPages : ExecutablePages
{
    private const uint CommitAndReserve = 0x3000;
    private const uint Release = 0x8000;
    private const uint ReadWrite = 4;
    private const uint ReadExecute = 0x20;
    private const nint CurrentProcess = -1;

    protected override nint Allocate(nint length, out string? problem)
    {
        nint start = VirtualAlloc(0, (nuint)length, CommitAndReserve, ReadWrite);
        problem = start == 0 ? Describe("VirtualAlloc") : null;
        return start;
    }

    protected override string? MakeExecutable(nint start, nint length)
    {
        if (!VirtualProtect(start, (nuint)length, ReadExecute, out _))
            return Describe("VirtualProtect");
        return FlushInstructionCache(CurrentProcess, start, (nuint)length) ? null : Describe("FlushInstructionCache");
    }

    protected override void Free(nint start, nint length) => VirtualFree(start, 0, Release);

    private static string Describe(string call) => $"{call}: {Marshal.GetLastPInvokeErrorMessage()}";

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint VirtualAlloc(nint address, nuint length, uint type, uint protection);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualProtect(nint address, nuint length, uint protection, out uint old);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool FlushInstructionCache(nint process, nint address, nuint length);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(nint address, nuint length, uint type);
}
