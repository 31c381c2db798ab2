using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>The shared memory of a block. Each cell of 1, 2 or 4 bytes (the narrowest access of the kernel) records the
/// last writer and the last readers: their warps with the tick of the block's <see cref="BarrierClock"/>, and their
/// threads with the tick of their warp's.</summary>
/// <remarks>Only the tick of the last reader of a cell is known, and only the threads of the last warp that read it.
/// With barriers for some of the warps or threads, an earlier read can therefore be reported as a race although it is
/// ordered; with barriers for all it cannot.</remarks>
internal sealed unsafe partial class SharedMemory : IDisposable
{
    // A write is stored as its tick in the upper 24 bits and the warp in the lower bits, or one of these values.
    private const uint AtomicBit = 0x80;
    private const uint ManyWarps = 0x7f;
    private const uint WarpMask = 0x7f;
    private const int TickShift = 8;

    // Asynchronous copies have a tick that is never in the past, so that the quick checks fail.
    private const uint AsyncPending = 0xffff_ff01;
    private const uint AsyncArrived = 0xffff_ff02;

    // A read is stored as its tick in the upper 27 bits and the warp in the lower bits.
    private const int ReadTickShift = 5;
    private const uint ReadWarpMask = 31;

    private readonly BarrierClock _clock;
    private readonly BarrierClock[] _threadClocks;
    private readonly int _cellShift;
    private readonly int _cellCount;
    private readonly byte* _bytes;
    private readonly uint* _writes;
    private readonly uint* _readTicks;
    private readonly uint* _readers;
    private readonly ushort* _copyOwners;

    // The threads of the last write and reads, as bit masks, and when their warp made them.
    private readonly uint* _writeThreads;
    private readonly uint* _writeThreadTicks;
    private readonly uint* _readThreads;
    private readonly uint* _readThreadTicks;

    public SharedMemory(int byteCount, int cellShift, BarrierClock clock, int warpCount)
    {
        ByteCount = byteCount;
        _clock = clock;
        _threadClocks = new BarrierClock[warpCount];
        for (int warp = 0; warp < warpCount; warp++)
            _threadClocks[warp] = new BarrierClock(Lanes.Count);
        _cellShift = cellShift;
        _cellCount = (byteCount + (1 << cellShift) - 1) >> cellShift;
        _bytes = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(byteCount, 1), Lanes.ChunkBytes);
        _writes = Cells();
        _readTicks = Cells();
        _readers = Cells();
        _writeThreads = Cells();
        _writeThreadTicks = Cells();
        _readThreads = Cells();
        _readThreadTicks = Cells();
        _copyOwners = (ushort*)NativeMemory.AllocZeroed((nuint)_cellCount + 1, sizeof(ushort));
    }

    public int ByteCount { get; }

    public byte* Bytes => _bytes;

    /// <summary>Whether several threads wrote a cell since <see cref="BeginWrite"/>.</summary>
    public bool HasOverlap { get; private set; }

    /// <summary>Clears all records for the next block.</summary>
    public void Clear()
    {
        NativeMemory.Clear(_writes, (nuint)_cellCount * sizeof(uint));
        NativeMemory.Clear(_readTicks, (nuint)_cellCount * sizeof(uint));
        NativeMemory.Clear(_readers, (nuint)_cellCount * sizeof(uint));
        NativeMemory.Clear(_readThreadTicks, (nuint)_cellCount * sizeof(uint));
        foreach (BarrierClock clock in _threadClocks)
            clock.Reset();
        ClearProducts();
    }

    /// <summary>Completes a barrier of threads of a warp.</summary>
    public void Synchronize(int warp, uint members) => _threadClocks[warp].Synchronize(members);

    /// <summary>Starts an instruction that writes. The writes of its threads to a cell are one write.</summary>
    public void BeginWrite(int warp)
    {
        _threadClocks[warp].Advance();
        HasOverlap = false;
    }

    /// <summary>Records a read of bytes that are in bounds.</summary>
    /// <param name="warp">The warp that reads.</param>
    /// <param name="threads">A mask of the threads that read.</param>
    /// <param name="address">The first byte.</param>
    /// <param name="byteCount">The number of bytes.</param>
    /// <param name="parts">The threads of each cell, if they read different ones; otherwise null.</param>
    /// <returns>The kind of fault; null if there is none.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public PtxFaultKind? Read(int warp, uint threads, uint address, int byteCount, uint* parts = null)
    {
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        uint past = _clock.SafeTick(warp) << TickShift;
        uint own = Stamp(warp);
        uint safe = _threadClocks[warp].OldestSafeTick;
        uint single = BitOperations.IsPow2(threads) ? threads : 0;
        int cell = first;
        for (; cell <= end - Vector512<uint>.Count; cell += Vector512<uint>.Count)
        {
            Vector512<uint> readers = parts == null ? Vector512.Create(threads) : Vector512.Load(parts + cell - first);
            Vector512<uint> alone = parts == null ? Vector512.Create(single) : readers;
            Vector512<uint> writes = Vector512.Load(_writes + cell);
            Vector512<uint> isOwn = Vector512.Equals(writes, Vector512.Create(own))
                & (Vector512.LessThan(Vector512.Load(_writeThreadTicks + cell), Vector512.Create(safe))
                    | Vector512.Equals(Vector512.Load(_writeThreads + cell), alone));
            Vector512<uint> fine = Vector512.LessThan(writes - Vector512<uint>.One, Vector512.Create(past - 1)) | isOwn;
            if (fine != Vector512<uint>.AllBitsSet)
                break;
            MarkRead(warp, cell, readers);
        }
        for (; cell < end; cell++)
        {
            uint readers = parts == null ? threads : parts[cell - first];
            uint write = _writes[cell];
            bool isFine = write - 1 < past - 1 || (write == own && _writeThreadTicks[cell] < safe);
            if (!isFine && Judge(warp, readers, cell, isAtomic: false) is { } fault)
                return fault;
            MarkRead(warp, cell, readers);
        }
        return null;
    }

    /// <summary>Records a write in the same way as <see cref="Read"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public PtxFaultKind? Write(int warp, uint threads, uint address, int byteCount, uint* parts = null)
    {
        if (HasProducts && FindProduct(warp, address, byteCount) is { } inFlight)
            return inFlight;
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        uint safeTick = _clock.SafeTick(warp);
        uint past = safeTick << TickShift;
        uint own = Stamp(warp);
        uint others = ~(1u << warp);
        BarrierClock threadClock = _threadClocks[warp];
        uint safe = threadClock.OldestSafeTick;
        uint safeRead = safe << ReadTickShift;
        uint single = BitOperations.IsPow2(threads) ? threads : 0;
        HasOverlap |= parts == null && single == 0;
        int cell = first;
        for (; cell <= end - Vector512<uint>.Count; cell += Vector512<uint>.Count)
        {
            Vector512<uint> writers = parts == null ? Vector512.Create(threads) : Vector512.Load(parts + cell - first);
            Vector512<uint> alone = parts == null ? Vector512.Create(single) : writers;
            Vector512<uint> writes = Vector512.Load(_writes + cell);
            Vector512<uint> isOrdered = Vector512.LessThan(writes, Vector512.Create(past))
                | (Vector512.Equals(writes, Vector512.Create(own))
                    & (Vector512.LessThan(Vector512.Load(_writeThreadTicks + cell), Vector512.Create(safe))
                        | Vector512.Equals(Vector512.Load(_writeThreads + cell), alone)));
            Vector512<uint> isRead = Vector512.LessThan(Vector512.Load(_readTicks + cell), Vector512.Create(safeTick))
                | Vector512.Equals(Vector512.Load(_readers + cell) & Vector512.Create(others), Vector512<uint>.Zero);
            Vector512<uint> reads = Vector512.Load(_readThreadTicks + cell);
            isRead &= Vector512.LessThan(reads, Vector512.Create(safeRead))
                | ~Vector512.Equals(reads & Vector512.Create(ReadWarpMask), Vector512.Create((uint)warp))
                | Vector512.Equals(Vector512.AndNot(Vector512.Load(_readThreads + cell), alone), Vector512<uint>.Zero);
            if ((isOrdered & isRead) != Vector512<uint>.AllBitsSet)
                break;
            Vector512.Store(Vector512.Create(own), _writes + cell);
            Vector512.Store(writers, _writeThreads + cell);
            Vector512.Store(Vector512.Create(threadClock.Now), _writeThreadTicks + cell);
        }
        for (; cell < end; cell++)
        {
            uint writers = parts == null ? threads : parts[cell - first];
            uint write = _writes[cell];
            bool isSameInstruction = write == own && _writeThreadTicks[cell] == threadClock.Now;
            HasOverlap |= isSameInstruction;
            bool isOrdered = write < past || isSameInstruction || (write == own && _writeThreadTicks[cell] < safe);
            if (!isOrdered && Judge(warp, writers, cell, isAtomic: false) is { } fault)
                return fault;
            if (FindUnorderedReader(warp, writers, cell) is { } race)
                return race;
            _writes[cell] = own;
            _writeThreads[cell] = writers;
            _writeThreadTicks[cell] = threadClock.Now;
        }
        if (HasProducts)
            NoteWrite(warp, address, byteCount);
        return null;
    }

    /// <summary>Records an atomic or volatile access of a thread. Such accesses do not race with each other.</summary>
    public PtxFaultKind? Atomic(int warp, uint thread, uint address, int byteCount, bool isRead, bool isWrite)
    {
        if (HasProducts && isWrite && FindProduct(warp, address, byteCount) is { } inFlight)
            return inFlight;
        BarrierClock threadClock = _threadClocks[warp];
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        for (int cell = (int)(address >> _cellShift); cell < end; cell++)
        {
            uint write = _writes[cell];
            if (isRead && write == 0)
                return PtxFaultKind.UninitializedRead;
            if (write != 0 && Judge(warp, thread, cell, isAtomic: true) is { } fault)
                return fault;
            if (!isWrite)
                continue;
            if (FindUnorderedReader(warp, thread, cell) is { } race)
                return race;
            uint stamp = Stamp(warp) | AtomicBit;
            bool isShared = write >> TickShift == _clock.Now && (write & WarpMask) != (uint)warp;
            bool isRepeated = write == stamp && _writeThreadTicks[cell] >= threadClock.OldestSafeTick;
            _writes[cell] = isShared ? stamp | ManyWarps : stamp;
            _writeThreads[cell] = thread | (isRepeated ? _writeThreads[cell] : 0);
            _writeThreadTicks[cell] = threadClock.Now;
        }
        if (HasProducts && isWrite)
            NoteWrite(warp, address, byteCount);
        return null;
    }

    /// <summary>Records the start of an asynchronous copy into bytes that are in bounds.</summary>
    public PtxFaultKind? BeginCopy(int warp, int lane, uint address, int byteCount)
    {
        if (Write(warp, 1u << lane, address, byteCount) is { } fault)
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

    /// <summary>Turns an arrived copy into an ordinary write of its thread, at a barrier. Bytes that the thread has
    /// written again since are left alone.</summary>
    public void PublishCopy(int warp, int lane, uint address, int byteCount)
    {
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        for (int cell = (int)(address >> _cellShift); cell < end; cell++)
        {
            if (_writes[cell] != AsyncArrived)
                continue;
            _writes[cell] = Stamp(warp);
            _writeThreads[cell] = 1u << lane;
            _writeThreadTicks[cell] = _threadClocks[warp].Now;
        }
    }

    /// <summary>The threads of each cell where the 32 threads access consecutive parts.</summary>
    public uint* PartsOf(int bytesPerThread) => SharedParts.Of(BitOperations.Log2((uint)bytesPerThread) - _cellShift);

    private static ushort Owner(int warp, int lane) => (ushort)((warp * Lanes.Count) + lane);

    private uint Stamp(int warp) => (_clock.Now << TickShift) | (uint)warp;

    private uint* Cells() => (uint*)NativeMemory.AllocZeroed((nuint)_cellCount + 1, sizeof(uint));

    private void SetCells(uint address, int byteCount, uint write)
    {
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        new Span<uint>(_writes + first, end - first).Fill(write);
    }

    private void MarkRead(int warp, int cell, Vector512<uint> threads)
    {
        Vector512<uint> stale = Vector512.LessThan(Vector512.Load(_readTicks + cell),
            Vector512.Create(_clock.OldestSafeTick));
        Vector512<uint> readers = Vector512.AndNot(Vector512.Load(_readers + cell), stale);
        Vector512.Store(readers | Vector512.Create(1u << warp), _readers + cell);
        Vector512.Store(Vector512.Create(_clock.Now), _readTicks + cell);

        Vector512<uint> ticks = Vector512.Load(_readThreadTicks + cell);
        Vector512<uint> others = Vector512.LessThan(ticks,
            Vector512.Create(_threadClocks[warp].OldestSafeTick << ReadTickShift))
            | ~Vector512.Equals(ticks & Vector512.Create(ReadWarpMask), Vector512.Create((uint)warp));
        Vector512.Store(Vector512.AndNot(Vector512.Load(_readThreads + cell), others) | threads, _readThreads + cell);
        Vector512.Store(Vector512.Create((_threadClocks[warp].Now << ReadTickShift) | (uint)warp),
            _readThreadTicks + cell);
    }

    private void MarkRead(int warp, int cell, uint threads)
    {
        uint readers = _readTicks[cell] < _clock.OldestSafeTick ? 0 : _readers[cell];
        _readTicks[cell] = _clock.Now;
        _readers[cell] = readers | (1u << warp);
        _readThreads[cell] = threads | (IsReadBefore(warp, cell) ? _readThreads[cell] : 0);
        _readThreadTicks[cell] = (_threadClocks[warp].Now << ReadTickShift) | (uint)warp;
    }

    /// <summary>Whether the threads in the record of a cell are of this warp and may read concurrently.</summary>
    private bool IsReadBefore(int warp, int cell)
        => _readThreadTicks[cell] >= _threadClocks[warp].OldestSafeTick << ReadTickShift
            && (_readThreadTicks[cell] & ReadWarpMask) == (uint)warp;

    /// <summary>The exact check of the last write of a cell, used where the quick check is inconclusive.</summary>
    private PtxFaultKind? Judge(int warp, uint threads, int cell, bool isAtomic)
    {
        uint write = _writes[cell];
        switch (write)
        {
            case AsyncPending:
                return PtxFaultKind.AsyncCopyNotWaited;
            case AsyncArrived:
                return threads == 1u << (_copyOwners[cell] % Lanes.Count) && warp == _copyOwners[cell] / Lanes.Count
                    ? null : PtxFaultKind.AsyncCopyNotWaited;
            case 0:
                return PtxFaultKind.UninitializedRead;
        }
        if (isAtomic && (write & AtomicBit) != 0)
            return null;
        uint writer = write & WarpMask;
        uint tick = write >> TickShift;
        if (writer == (uint)warp)
        {
            return AreOrdered(warp, threads, _writeThreads[cell], _writeThreadTicks[cell]) ? null
                : PtxFaultKind.WarpRace;
        }
        bool isOrdered = writer == ManyWarps ? tick < _clock.SafeTick(warp) : _clock.IsPast(warp, (int)writer, tick);
        return isOrdered ? null : PtxFaultKind.SharedRace;
    }

    /// <summary>The race with an earlier read of a cell; null if there is none.</summary>
    private PtxFaultKind? FindUnorderedReader(int warp, uint threads, int cell)
    {
        uint others = _readers[cell] & ~(1u << warp);
        if (others != 0 && _readTicks[cell] >= _clock.SafeTick(warp))
        {
            for (; others != 0; others &= others - 1)
            {
                if (!_clock.IsPast(warp, BitOperations.TrailingZeroCount(others), _readTicks[cell]))
                    return PtxFaultKind.SharedRace;
            }
        }
        return !IsReadBefore(warp, cell)
            || AreOrdered(warp, threads, _readThreads[cell], _readThreadTicks[cell] >> ReadTickShift)
            ? null : PtxFaultKind.WarpRace;
    }

    /// <summary>Whether an earlier access is in the past of each of the threads.</summary>
    private bool AreOrdered(int warp, uint threads, uint earlier, uint tick)
    {
        BarrierClock clock = _threadClocks[warp];
        for (uint rest = threads; rest != 0 && tick >= clock.OldestSafeTick; rest &= rest - 1)
        {
            int thread = BitOperations.TrailingZeroCount(rest);
            for (uint others = earlier; others != 0; others &= others - 1)
            {
                if (!clock.IsPast(thread, BitOperations.TrailingZeroCount(others), tick))
                    return false;
            }
        }
        return true;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_bytes);
        NativeMemory.Free(_writes);
        NativeMemory.Free(_readTicks);
        NativeMemory.Free(_readers);
        NativeMemory.Free(_writeThreads);
        NativeMemory.Free(_writeThreadTicks);
        NativeMemory.Free(_readThreads);
        NativeMemory.Free(_readThreadTicks);
        NativeMemory.Free(_copyOwners);
        DisposeProducts();
    }
}
