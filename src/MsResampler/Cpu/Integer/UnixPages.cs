using System.Runtime.InteropServices;

namespace MsResampler.Cpu.Integer;

/// <summary>Pages of Linux and macOS. Systems that forbid new code refuse the change to executable, for example SELinux
/// without <c>execmem</c>, systemd's <c>MemoryDenyWriteExecute</c> and the hardened runtime of macOS.</summary>
internal sealed partial class UnixPages : ExecutablePages
{
    private const int ReadWrite = 3;
    private const int ReadExecute = 5;
    private const int PrivateAnonymousOnLinux = 0x22;
    private const int PrivateAnonymousOnMac = 0x1002;

    protected override nint Allocate(nint length, out string? problem)
    {
        int flags = OperatingSystem.IsMacOS() ? PrivateAnonymousOnMac : PrivateAnonymousOnLinux;
        nint start = MemoryMap(0, (nuint)length, ReadWrite, flags, -1, 0);
        problem = start == -1 ? Describe("mmap") : null;
        return start == -1 ? 0 : start;
    }

    protected override string? MakeExecutable(nint start, nint length)
        => MemoryProtect(start, (nuint)length, ReadExecute) == 0 ? null : Describe("mprotect");

    protected override void Free(nint start, nint length) => _ = MemoryUnmap(start, (nuint)length);

    private static string Describe(string call) => $"{call}: {Marshal.GetLastPInvokeErrorMessage()}";

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int MemoryProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MemoryUnmap(nint address, nuint length);
}
