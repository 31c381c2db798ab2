using System.Runtime.InteropServices;

namespace PtxEmulator.Execution;

/// <summary>The local variables of the threads of a warp, one thread after the other, and a record of which bytes are
/// initialised.</summary>
internal sealed unsafe class LocalMemory : IDisposable
{
    private readonly byte* _bytes;
    private readonly byte* _written;

    public LocalMemory(int byteCount)
    {
        ByteCount = byteCount;
        _bytes = (byte*)NativeMemory.Alloc((nuint)byteCount * Lanes.Count);
        _written = (byte*)NativeMemory.AllocZeroed((nuint)byteCount * Lanes.Count);
    }

    /// <summary>The size per thread.</summary>
    public int ByteCount { get; }

    public void Clear() => NativeMemory.Clear(_written, (nuint)ByteCount * Lanes.Count);

    public byte* Host(int lane, ulong address) => _bytes + ((long)lane * ByteCount) + address;

    public bool IsInside(ulong address, int byteCount)
        => ByteCount >= byteCount && address <= (ulong)(ByteCount - byteCount);

    public bool IsWritten(int lane, ulong address, int byteCount)
        => !new ReadOnlySpan<byte>(_written + ((long)lane * ByteCount) + address, byteCount).Contains((byte)0);

    public void MarkWritten(int lane, ulong address, int byteCount)
        => new Span<byte>(_written + ((long)lane * ByteCount) + address, byteCount).Fill(1);

    public void Dispose()
    {
        NativeMemory.Free(_bytes);
        NativeMemory.Free(_written);
    }
}
