using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>Finds bytes of global memory that two blocks of a launch access and one of them writes: nothing orders the
/// blocks of a launch. Each cell of 1, 2 or 4 bytes (the narrowest access of the kernel) records who wrote and read
/// it.</summary>
/// <remarks>Blocks that run at the same time do not lock the records. A correct kernel is never reported. A race is
/// missed only if two blocks make their first access to a cell within nanoseconds, and which of two blocks is reported
/// depends on their order; with one worker both are fixed.</remarks>
internal sealed unsafe class BlockAccesses(long byteCount) : IDisposable
{
    // A record is an even number for each block of each launch, plus 1 for atomic writes. Smaller numbers than the
    // launch's first are of earlier launches. The number after those of the blocks means several blocks.
    private uint* _writes;
    private uint* _reads;
    private uint _first;
    private uint _many;
    private uint _next = 2;
    private int _allocatedShift = int.MaxValue;
    private int _cellShift;

    /// <summary>Starts a launch.</summary>
    /// <param name="blockCount">The number of blocks.</param>
    /// <param name="cellShift">The base-2 logarithm of the narrowest access.</param>
    public void Begin(long blockCount, int cellShift)
    {
        _cellShift = cellShift;
        uint count = checked((uint)(2 * (blockCount + 1)));
        if (cellShift < _allocatedShift || count > uint.MaxValue - _next)
        {
            Dispose();
            _next = 2;
            _allocatedShift = Math.Min(cellShift, _allocatedShift);
            // The system provides zeroed pages when they are first touched.
            _writes = (uint*)NativeMemory.AllocZeroed((nuint)((byteCount >> _allocatedShift) + 1), sizeof(uint));
            _reads = (uint*)NativeMemory.AllocZeroed((nuint)((byteCount >> _allocatedShift) + 1), sizeof(uint));
        }
        _first = _next;
        _next += count;
        _many = _next - 2;
    }

    /// <summary>The record of a block of the launch.</summary>
    public uint RecordOf(long block) => _first + (2 * (uint)block);

    /// <summary>The block of a conflict; null if there are several.</summary>
    public long? BlockOf(uint record) => record >= _many ? null : (record - _first) / 2;

    /// <summary>Records a read of allocated bytes.</summary>
    /// <returns>Whether another block wrote none of them.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Read(uint record, ulong address, int bytes)
    {
        (ulong first, long count) = Cells(address, bytes);
        uint* writes = _writes + first;
        uint* reads = _reads + first;
        long cell = 0;
        for (; cell <= count - Vector512<uint>.Count; cell += Vector512<uint>.Count)
        {
            if (!IsUnwritten(Vector512.Load(writes + cell), record))
                return false;
            Vector512<uint> old = Vector512.Load(reads + cell);
            Vector512<uint> isOwn = Vector512.Equals(old, Vector512.Create(record));
            if ((isOwn | Vector512.Equals(old, Vector512.Create(_many))) == Vector512<uint>.AllBitsSet)
                continue;
            isOwn |= Vector512.LessThan(old, Vector512.Create(_first));
            Vector512.Store(Vector512.ConditionalSelect(isOwn, Vector512.Create(record), Vector512.Create(_many)),
                reads + cell);
        }
        for (; cell < count; cell++)
        {
            uint write = writes[cell];
            if (write >= _first && (write & ~1u) != record)
                return false;
            uint read = reads[cell];
            if (read != record && read != _many)
                reads[cell] = read < _first ? record : _many;
        }
        return true;
    }

    /// <summary>Records a write of allocated bytes.</summary>
    /// <returns>Whether no other block accessed any of them.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Write(uint record, ulong address, int bytes)
    {
        (ulong first, long count) = Cells(address, bytes);
        uint* writes = _writes + first;
        uint* reads = _reads + first;
        long cell = 0;
        for (; cell <= count - Vector512<uint>.Count; cell += Vector512<uint>.Count)
        {
            if (!IsUnwritten(Vector512.Load(writes + cell), record)
                || !IsUnwritten(Vector512.Load(reads + cell), record))
            {
                return false;
            }
            Vector512.Store(Vector512.Create(record), writes + cell);
        }
        for (; cell < count; cell++)
        {
            if (IsOther(writes[cell], record) || IsOther(reads[cell], record))
                return false;
            writes[cell] = record;
        }
        return true;
    }

    /// <summary>Records an atomic or volatile access. Such accesses do not race with each other. A read is only
    /// checked.</summary>
    /// <returns>Whether no other block accessed any of the bytes in an ordinary way.</returns>
    public bool Atomic(uint record, ulong address, int bytes, bool isWrite)
    {
        (ulong first, long count) = Cells(address, bytes);
        uint* writes = _writes + first;
        uint* reads = _reads + first;
        for (long cell = 0; cell < count; cell++)
        {
            uint write = writes[cell];
            bool isOrdinary = (write & 1) == 0;
            if ((isOrdinary && IsOther(write, record)) || (isWrite && IsOther(reads[cell], record)))
                return false;
            // A block that has also written in an ordinary way stays the writer.
            if (isWrite && write != record)
                writes[cell] = write < _first || write == (record | 1) ? record | 1 : _many | 1;
        }
        return true;
    }

    /// <summary>The first byte of a conflict of an access, and the record of another block that made it.</summary>
    public (ulong Address, uint Record) Explain(uint record, ulong address, int bytes, bool isWrite, bool isAtomic)
    {
        (ulong first, long count) = Cells(address, bytes);
        uint* writes = _writes + first;
        uint* reads = _reads + first;
        for (long cell = 0; cell < count; cell++)
        {
            ulong at = Math.Max(address, ((first + (ulong)cell) << _cellShift) + AddressMap.Global);
            if (IsOther(writes[cell], record) && !(isAtomic && (writes[cell] & 1) != 0))
                return (at, writes[cell]);
            if (isWrite && IsOther(reads[cell], record))
                return (at, reads[cell]);
        }
        throw new InvalidOperationException($"No other block accessed {bytes} bytes at 0x{address:x}.");
    }

    public void Dispose()
    {
        NativeMemory.Free(_writes);
        NativeMemory.Free(_reads);
        _writes = null;
        _reads = null;
    }

    private (ulong First, long Count) Cells(ulong address, int bytes)
    {
        ulong offset = address - AddressMap.Global;
        ulong first = offset >> _cellShift;
        return (first, (long)(((offset + (ulong)bytes - 1) >> _cellShift) - first + 1));
    }

    /// <summary>Whether a record is of another block of this launch.</summary>
    private bool IsOther(uint old, uint record) => old >= _first && (old & ~1u) != record;

    private bool IsUnwritten(Vector512<uint> old, uint record)
        => (Vector512.LessThan(old, Vector512.Create(_first))
            | Vector512.Equals(old & Vector512.Create(~1u), Vector512.Create(record))) == Vector512<uint>.AllBitsSet;
}
