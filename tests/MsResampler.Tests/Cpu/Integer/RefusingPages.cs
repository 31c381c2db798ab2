using System.Runtime.InteropServices;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>Pages of a system that does not let a process make memory executable.</summary>
/// <param name="exception">What the allocation throws; null if it succeeds.</param>
internal sealed unsafe class RefusingPages(Exception? exception = null) : ExecutablePages
{
    private int _allocatedCount, _freedCount;

    public int AllocatedCount => _allocatedCount;

    public int FreedCount => _freedCount;

    protected override nint Allocate(nint length, out string? problem)
    {
        Interlocked.Increment(ref _allocatedCount);
        problem = null;
        if (exception is not null)
            throw exception;
        return (nint)NativeMemory.Alloc((nuint)length);
    }

    protected override string? MakeExecutable(nint start, nint length) => "mprotect: Permission denied";

    protected override void Free(nint start, nint length)
    {
        Interlocked.Increment(ref _freedCount);
        NativeMemory.Free((void*)start);
    }
}
