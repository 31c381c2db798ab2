using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>The shared memory of a block. Each cell of 1, 2 or 4 bytes (the narrowest access of the kernel) records
/// the last writer and the last reader with the tick of <see cref="BarrierClock"/>.</summary>
/// <remarks>Only the tick of the last reader of a cell is known. With barriers for some of the warps, an earlier read
/// can therefore be reported as a race although it is ordered; with barriers for all warps it cannot.</remarks>
internal sealed unsafe class SharedMemory : IDisposable
{
    // A write is stored as its tick in the upper 24 bits and the warp in the lower bits, or one of these values.
    private const uint AtomicBit = 0x80;
    private const uint ManyWarps = 0x7f;
    private const uint WarpMask = 0x7f;
    private const int TickShift = 8;

    // Asynchronous copies have a tick that is never in the past, so that the quick checks fail.
    private const uint AsyncPending = 0xffff_ff01;
    private const uint AsyncArrived = 0xffff_ff02;

    private readonly BarrierClock _clock;
    private readonly int _cellShift;
    private readonly int _cellCount;
    private readonly byte* _bytes;
    private readonly uint* _writes;
    private readonly uint* _readTicks;
    private readonly uint* _readers;
    private readonly ushort* _copyOwners;

    public SharedMemory(int byteCount, int cellShift, BarrierClock clock)
    {
        ByteCount = byteCount;
        _clock = clock;
        _cellShift = cellShift;
        _cellCount = (byteCount + (1 << cellShift) - 1) >> cellShift;
        _bytes = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(byteCount, 1), Lanes.ChunkBytes);
        _writes = (uint*)NativeMemory.AllocZeroed((nuint)_cellCount + 1, sizeof(uint));
        _readTicks = (uint*)NativeMemory.AllocZeroed((nuint)_cellCount + 1, sizeof(uint));
        _readers = (uint*)NativeMemory.AllocZeroed((nuint)_cellCount + 1, sizeof(uint));
        _copyOwners = (ushort*)NativeMemory.AllocZeroed((nuint)_cellCount + 1, sizeof(ushort));
    }

    public int ByteCount { get; }

    public byte* Bytes => _bytes;

    /// <summary>Clears all records for the next block.</summary>
    public void Clear()
    {
        NativeMemory.Clear(_writes, (nuint)_cellCount * sizeof(uint));
        NativeMemory.Clear(_readTicks, (nuint)_cellCount * sizeof(uint));
        NativeMemory.Clear(_readers, (nuint)_cellCount * sizeof(uint));
    }

    /// <summary>Records a read of bytes that are in bounds.</summary>
    /// <param name="warp">The warp that reads.</param>
    /// <param name="lane">The thread; -1 for all threads of the warp.</param>
    /// <param name="address">The first byte.</param>
    /// <param name="byteCount">The number of bytes.</param>
    /// <returns>The kind of fault; null if there is none.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public PtxFaultKind? Read(int warp, int lane, uint address, int byteCount)
    {
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        uint past = _clock.SafeTick(warp) << TickShift;
        uint own = Stamp(warp);
        int cell = first;
        for (; cell <= end - Vector512<uint>.Count; cell += Vector512<uint>.Count)
        {
            Vector512<uint> writes = Vector512.Load(_writes + cell);
            Vector512<uint> fine = Vector512.LessThan(writes - Vector512<uint>.One, Vector512.Create(past - 1))
                | Vector512.Equals(writes, Vector512.Create(own));
            if (fine != Vector512<uint>.AllBitsSet)
                break;
            MarkRead(warp, cell);
        }
        for (; cell < end; cell++)
        {
            uint write = _writes[cell];
            if (write - 1 >= past - 1 && write != own && Judge(warp, lane, cell, isAtomic: false) is { } fault)
                return fault;
            uint tick = _clock.Now;
            uint readers = _readTicks[cell] < _clock.OldestSafeTick ? 0 : _readers[cell];
            _readTicks[cell] = tick;
            _readers[cell] = readers | (1u << warp);
        }
        return null;
    }

    /// <summary>Records a write in the same way as <see cref="Read"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public PtxFaultKind? Write(int warp, int lane, uint address, int byteCount)
    {
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        uint safeTick = _clock.SafeTick(warp);
        uint past = safeTick << TickShift;
        uint own = Stamp(warp);
        uint others = ~(1u << warp);
        int cell = first;
        for (; cell <= end - Vector512<uint>.Count; cell += Vector512<uint>.Count)
        {
            Vector512<uint> writes = Vector512.Load(_writes + cell);
            Vector512<uint> isOrdered = Vector512.LessThan(writes, Vector512.Create(past))
                | Vector512.Equals(writes, Vector512.Create(own));
            Vector512<uint> isRead = Vector512.LessThan(Vector512.Load(_readTicks + cell), Vector512.Create(safeTick))
                | Vector512.Equals(Vector512.Load(_readers + cell) & Vector512.Create(others), Vector512<uint>.Zero);
            if ((isOrdered & isRead) != Vector512<uint>.AllBitsSet)
                break;
            Vector512.Store(Vector512.Create(own), _writes + cell);
        }
        for (; cell < end; cell++)
        {
            uint write = _writes[cell];
            bool isOrdered = write < past || write == own;
            if (!isOrdered && Judge(warp, lane, cell, isAtomic: false) is { } fault)
                return fault;
            if (HasUnorderedReader(warp, cell))
                return PtxFaultKind.SharedRace;
            _writes[cell] = own;
        }
        return null;
    }

    /// <summary>Records an atomic or volatile access. Such accesses do not race with each other.</summary>
    public PtxFaultKind? Atomic(int warp, int lane, uint address, int byteCount, bool isRead, bool isWrite)
    {
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        for (int cell = (int)(address >> _cellShift); cell < end; cell++)
        {
            if (isRead && _writes[cell] == 0)
                return PtxFaultKind.UninitializedRead;
            if (_writes[cell] != 0 && Judge(warp, lane, cell, isAtomic: true) is { } fault)
                return fault;
            if (!isWrite)
                continue;
            if (HasUnorderedReader(warp, cell))
                return PtxFaultKind.SharedRace;
            uint stamp = Stamp(warp) | AtomicBit;
            bool isShared = _writes[cell] >> TickShift == _clock.Now && (_writes[cell] & WarpMask) != (uint)warp;
            _writes[cell] = isShared ? stamp | ManyWarps : stamp;
        }
        return null;
    }

    /// <summary>Records the start of an asynchronous copy into bytes that are in bounds.</summary>
    public PtxFaultKind? BeginCopy(int warp, int lane, uint address, int byteCount)
    {
        if (Write(warp, lane, address, byteCount) is { } fault)
            return fault;
        SetCells(address, byteCount, AsyncPending);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        for (int cell = (int)(address >> _cellShift); cell < end; cell++)
            _copyOwners[cell] = Owner(warp, lane);
        return null;
    }

    /// <summary>Records that a thread has waited for its copy: it may read the bytes, other threads may not
    /// yet.</summary>
    public void EndCopy(uint address, int byteCount) => SetCells(address, byteCount, AsyncArrived);

    /// <summary>Turns an arrived copy into an ordinary write, at a barrier.</summary>
    public void PublishCopy(int warp, uint address, int byteCount) => SetCells(address, byteCount, Stamp(warp));

    private static ushort Owner(int warp, int lane) => (ushort)((warp * Lanes.Count) + lane);

    private uint Stamp(int warp) => (_clock.Now << TickShift) | (uint)warp;

    private void SetCells(uint address, int byteCount, uint write)
    {
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        new Span<uint>(_writes + first, end - first).Fill(write);
    }

    private void MarkRead(int warp, int cell)
    {
        Vector512<uint> stale = Vector512.LessThan(Vector512.Load(_readTicks + cell),
            Vector512.Create(_clock.OldestSafeTick));
        Vector512<uint> readers = Vector512.AndNot(Vector512.Load(_readers + cell), stale);
        Vector512.Store(readers | Vector512.Create(1u << warp), _readers + cell);
        Vector512.Store(Vector512.Create(_clock.Now), _readTicks + cell);
    }

    /// <summary>The exact check of the last write of a cell, used where the quick check is inconclusive.</summary>
    private PtxFaultKind? Judge(int warp, int lane, int cell, bool isAtomic)
    {
        uint write = _writes[cell];
        switch (write)
        {
            case AsyncPending:
                return PtxFaultKind.AsyncCopyNotWaited;
            case AsyncArrived:
                return lane >= 0 && _copyOwners[cell] == Owner(warp, lane) ? null : PtxFaultKind.AsyncCopyNotWaited;
            case 0:
                return PtxFaultKind.UninitializedRead;
        }
        if (isAtomic && (write & AtomicBit) != 0)
            return null;
        uint writer = write & WarpMask;
        uint tick = write >> TickShift;
        bool isOrdered = writer == ManyWarps ? tick < _clock.SafeTick(warp) : _clock.IsPast(warp, (int)writer, tick);
        return isOrdered ? null : PtxFaultKind.SharedRace;
    }

    private bool HasUnorderedReader(int warp, int cell)
    {
        uint others = _readers[cell] & ~(1u << warp);
        if (others == 0 || _readTicks[cell] < _clock.SafeTick(warp))
            return false;
        for (; others != 0; others &= others - 1)
        {
            if (!_clock.IsPast(warp, System.Numerics.BitOperations.TrailingZeroCount(others), _readTicks[cell]))
                return true;
        }
        return false;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_bytes);
        NativeMemory.Free(_writes);
        NativeMemory.Free(_readTicks);
        NativeMemory.Free(_readers);
        NativeMemory.Free(_copyOwners);
    }
}
