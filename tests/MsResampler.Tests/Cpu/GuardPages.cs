using System.ComponentModel;
using System.Runtime.InteropServices;
using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>As long as it exists, buffers that this thread allocates end at an inaccessible page. An access behind an
/// operand then ends the test host with a stack trace that names the kernel and the test. Without it, such an access
/// reads other memory and goes unnoticed.</summary>
/// <remarks>The buffers then have any start alignment, like a caller's features; kernels must not require
/// more.</remarks>
internal sealed unsafe partial class GuardPages : IDisposable
{
    private const int NoAccess = 0;
    private const int ReadWrite = 3;
    private const int PrivateAnonymousOnLinux = 0x22;
    private const int PrivateAnonymousOnMac = 0x1002;
    private const uint Commit = 0x3000;
    private const uint Release = 0x8000;
    private const uint WindowsReadWrite = 4;
    private const uint WindowsNoAccess = 1;

    private readonly List<(nint Address, nuint Length)> _mapped = [];

    public GuardPages() => AlignedBuffer.SetMemorySource(Allocate);

    public void Dispose()
    {
        AlignedBuffer.SetMemorySource(null);
        foreach ((nint address, nuint length) in _mapped)
            Unmap(address, length);
        _mapped.Clear();
    }

    private (object Owner, nint Address) Allocate(int count)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        nuint bytes = (nuint)count * sizeof(float);
        nuint readable = (bytes + page - 1) / page * page;
        nint start = Map(readable + page);
        _mapped.Add((start, readable + page));
        Protect(start + (nint)readable, page);
        return (this, start + (nint)(readable - bytes));
    }

    private static nint Map(nuint length)
    {
        if (OperatingSystem.IsWindows())
            return VirtualAlloc(0, length, Commit, WindowsReadWrite) is var windows && windows != 0 ? windows
                : throw new Win32Exception();
        int flags = OperatingSystem.IsMacOS() ? PrivateAnonymousOnMac : PrivateAnonymousOnLinux;
        nint address = MemoryMap(0, length, ReadWrite, flags, -1, 0);
        return address != -1 ? address : throw new Win32Exception();
    }

    private static void Protect(nint address, nuint length)
    {
        bool isDone = OperatingSystem.IsWindows() ? VirtualProtect(address, length, WindowsNoAccess, out _)
            : MemoryProtect(address, length, NoAccess) == 0;
        if (!isDone)
            throw new Win32Exception();
    }

    private static void Unmap(nint address, nuint length)
    {
        if (OperatingSystem.IsWindows())
            VirtualFree(address, 0, Release);
        else
            MemoryUnmap(address, length);
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int MemoryProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int MemoryUnmap(nint address, nuint length);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint VirtualAlloc(nint address, nuint length, uint type, uint protection);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualProtect(nint address, nuint length, uint protection, out uint old);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(nint address, nuint length, uint type);
}
