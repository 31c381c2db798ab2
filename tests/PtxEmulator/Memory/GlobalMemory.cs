using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>The device memory. Each byte has a state byte, so that one lookup decides whether an access is inside a
/// live allocation and whether the bytes that it reads are initialised.</summary>
internal sealed unsafe class GlobalMemory : IDisposable
{
    private const byte Allocated = 1;
    private const byte Written = 2;
    private const byte Freed = 4;
    private const byte ReadOnly = 8;
    private const byte ReadBits = Allocated | Written;
    private const byte WriteBits = Allocated | ReadOnly;

    private byte* _bytes;
    private byte* _states;

    public GlobalMemory(long byteCount)
    {
        ByteCount = byteCount;
        // The system provides zeroed pages when they are first touched.
        _bytes = (byte*)NativeMemory.AllocZeroed((nuint)byteCount);
        _states = (byte*)NativeMemory.AllocZeroed((nuint)byteCount);
    }

    public long ByteCount { get; }

    /// <summary>The difference between an address and the host address of its byte.</summary>
    public ulong HostOffset => (ulong)_bytes - AddressMap.Global;

    /// <summary>Whether all bytes of a range can be read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool CanRead(ulong address, int byteCount) => Holds(address, byteCount, ReadBits, ReadBits);

    /// <summary>Whether all bytes of a range belong to live allocations.</summary>
    public bool IsAllocated(ulong address, int byteCount) => Holds(address, byteCount, Allocated, Allocated);

    /// <summary>Whether all bytes of a range can be written. If so, they are marked as initialised.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryMarkWritten(ulong address, int byteCount)
    {
        if (!Holds(address, byteCount, WriteBits, Allocated))
            return false;
        byte* state = _states + (address - AddressMap.Global);
        switch (byteCount)
        {
            case sizeof(uint):
                *(uint*)state = ReadBits * 0x0101_0101u;
                break;
            case sizeof(ulong):
                *(ulong*)state = ReadBits * 0x0101_0101_0101_0101ul;
                break;
            default:
                Unsafe.InitBlockUnaligned(state, ReadBits, (uint)byteCount);
                break;
        }
        return true;
    }

    public void MarkAllocated(ulong address, long byteCount) => SetStates(address, byteCount, Allocated);

    public void MarkFreed(ulong address, long byteCount) => SetStates(address, byteCount, Freed);

    public void MarkUnused(ulong address, long byteCount) => SetStates(address, byteCount, 0);

    public void MarkConstant(ulong address, long byteCount)
        => SetStates(address, byteCount, Allocated | Written | ReadOnly);

    public void Write(ulong address, ReadOnlySpan<byte> source)
        => source.CopyTo(new Span<byte>(Host(address), source.Length));

    public void Read(ulong address, Span<byte> destination)
        => new ReadOnlySpan<byte>(Host(address), destination.Length).CopyTo(destination);

    public byte* Host(ulong address) => _bytes + (address - AddressMap.Global);

    /// <summary>The reason why a range cannot be read or written, and the first such byte.</summary>
    public (PtxFaultKind Kind, ulong Address) Explain(ulong address, long byteCount, bool isWrite)
    {
        for (ulong at = address; at < address + (ulong)byteCount; at++)
        {
            byte state = at - AddressMap.Global < (ulong)ByteCount ? _states[at - AddressMap.Global] : (byte)0;
            PtxFaultKind? kind = state switch
            {
                0 => PtxFaultKind.OutOfBounds,
                Freed => PtxFaultKind.FreedMemory,
                _ when isWrite && (state & ReadOnly) != 0 => PtxFaultKind.ReadOnlyMemory,
                _ when !isWrite && (state & Written) == 0 => PtxFaultKind.UninitializedRead,
                _ => null,
            };
            if (kind != null)
                return (kind.Value, at);
        }
        throw new InvalidOperationException($"Nothing is wrong with {byteCount} bytes at 0x{address:x}.");
    }

    public void Dispose()
    {
        NativeMemory.Free(_bytes);
        NativeMemory.Free(_states);
        _bytes = null;
        _states = null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool Holds(ulong address, int byteCount, byte mask, byte expected)
    {
        ulong offset = address - AddressMap.Global;
        if (offset > (ulong)(ByteCount - byteCount))
            return false;
        byte* state = _states + offset;
        return byteCount switch
        {
            sizeof(uint) => (*(uint*)state & (mask * 0x0101_0101u)) == expected * 0x0101_0101u,
            sizeof(ulong) => (*(ulong*)state & (mask * 0x0101_0101_0101_0101ul))
                == expected * 0x0101_0101_0101_0101ul,
            _ => HoldsRange(state, byteCount, mask, expected),
        };
    }

    private static bool HoldsRange(byte* state, int byteCount, byte mask, byte expected)
    {
        int index = 0;
        Vector512<byte> masks = Vector512.Create(mask);
        Vector512<byte> wanted = Vector512.Create(expected);
        for (; index <= byteCount - Vector512<byte>.Count; index += Vector512<byte>.Count)
        {
            if ((Vector512.Load(state + index) & masks) != wanted)
                return false;
        }
        for (; index <= byteCount - Vector128<byte>.Count; index += Vector128<byte>.Count)
        {
            if ((Vector128.Load(state + index) & masks.GetLower().GetLower()) != wanted.GetLower().GetLower())
                return false;
        }
        for (; index < byteCount; index++)
        {
            if ((state[index] & mask) != expected)
                return false;
        }
        return true;
    }

    private void SetStates(ulong address, long byteCount, byte state)
    {
        byte* first = _states + (address - AddressMap.Global);
        for (long done = 0; done < byteCount; done += int.MaxValue)
            new Span<byte>(first + done, (int)Math.Min(int.MaxValue, byteCount - done)).Fill(state);
    }
}
