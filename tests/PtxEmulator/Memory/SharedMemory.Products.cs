using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>What the products of warpgroups read. They access shared memory through another path (the asynchronous
/// proxy) than loads and stores: a write is visible to them after a <c>fence.proxy.async</c> of its thread and a
/// barrier after that. The fence therefore takes the place of the write in the checks.</summary>
internal sealed unsafe partial class SharedMemory
{
    private const int ChunkShift = 4;

    // For each cell the first fence after its last write, by the clock of the block and of the writer's warp; 0 if
    // there is none.
    private uint* _fences;
    private uint* _fenceThreadTicks;

    // The rows of 16 bytes that each warp wrote and has not fenced, and by row the warps that list it.
    private List<int>[] _unfenced = [];
    private uint* _listed;

    private readonly List<ProductRead> _reads = [];
    private readonly Stack<ProductRead> _freeReads = new();

    private bool HasProducts => _fences != null;

    private int ChunkCount => (_cellCount >> (ChunkShift - _cellShift)) + 1;

    /// <summary>Prepares the records of fences, for a kernel with products of warpgroups.</summary>
    public void TrackProducts()
    {
        _fences = Cells();
        _fenceThreadTicks = Cells();
        _listed = (uint*)NativeMemory.AllocZeroed((nuint)ChunkCount, sizeof(uint));
        _unfenced = [.. _threadClocks.Select(_ => new List<int>())];
    }

    /// <summary>Executes <c>fence.proxy.async</c> in some threads of a warp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Fence(int warp, uint threads)
    {
        if (!HasProducts)
            return;
        _threadClocks[warp].Advance();
        List<int> chunks = _unfenced[warp];
        int kept = 0;
        for (int index = 0; index < chunks.Count; index++)
        {
            if (FenceChunk(warp, threads, chunks[index]))
                _listed[chunks[index]] &= ~(1u << warp);
            else
                chunks[kept++] = chunks[index];
        }
        chunks.RemoveRange(kept, chunks.Count - kept);
    }

    /// <summary>Starts the record of a product of the warpgroup with this first warp.</summary>
    public ProductRead BeginRead(int firstWarp)
    {
        for (int index = _reads.Count - 1; index >= 0; index--)
        {
            if (!_reads[index].IsBefore(_clock.OldestSafeTick))
                continue;
            _freeReads.Push(_reads[index]);
            _reads.RemoveAt(index);
        }
        ProductRead read = _freeReads.TryPop(out ProductRead? free) ? free : new ProductRead();
        read.Reset(firstWarp);
        return read;
    }

    /// <summary>Checks a product that a warp starts, and notes its start. The first warp that starts it checks all
    /// bytes; the others only if a fence is not in their past.</summary>
    /// <returns>The kind of fault and the address; null if there is none.</returns>
    public (PtxFaultKind Kind, uint Address)? Issue(int warp, ProductRead read)
    {
        bool isFirst = Array.TrueForAll(read.Issued, tick => tick == 0);
        if ((isFirst || read.LatestFence >= _clock.SafeTick(warp)) && FindProductFault(warp, read) is { } fault)
            return fault;
        if (isFirst)
            _reads.Add(read);
        read.Issued[warp - read.FirstWarp] = _clock.Now;
        return null;
    }

    /// <summary>Notes that a warp waited for a product.</summary>
    public void EndRead(int warp, ProductRead read) => read.Waited[warp - read.FirstWarp] = _clock.Now;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private (PtxFaultKind Kind, uint Address)? FindProductFault(int warp, ProductRead read)
    {
        int cells = 1 << (ChunkShift - _cellShift);
        var past = Vector128.Create(_clock.SafeTick(warp) - 1);
        Vector128<uint> latest = Vector128<uint>.Zero;
        foreach (uint address in read.Addresses)
        {
            int first = (int)(address >> _cellShift);
            for (int cell = first; cell < first + cells; cell += Vector128<uint>.Count)
            {
                Vector128<uint> fences = Vector128.Load(_fences + cell);
                latest = Vector128.Max(latest, fences);
                if (Vector128.LessThanAll(fences - Vector128<uint>.One, past))
                    continue;
                for (int one = cell; one < cell + Vector128<uint>.Count; one++)
                {
                    if (JudgeProduct(warp, one) is { } kind)
                        return (kind, (uint)one << _cellShift);
                }
            }
        }
        read.LatestFence = Math.Max(Math.Max(latest[0], latest[1]), Math.Max(latest[2], latest[3]));
        return null;
    }

    /// <summary>The exact check of a cell that a product reads.</summary>
    private PtxFaultKind? JudgeProduct(int warp, int cell)
    {
        if (Judge(warp, Lanes.All, cell, isAtomic: false) is { } fault)
            return fault;
        uint fence = _fences[cell];
        uint writer = _writes[cell] & WarpMask;
        bool isOrdered = fence != 0 && (writer == (uint)warp
            ? AreOrdered(warp, Lanes.All, _writeThreads[cell], _fenceThreadTicks[cell])
            : writer == ManyWarps ? fence < _clock.SafeTick(warp) : _clock.IsPast(warp, (int)writer, fence));
        return isOrdered ? null : PtxFaultKind.ProxyFenceMissing;
    }

    /// <summary>The fault of a write to bytes that a product reads; null if there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private PtxFaultKind? FindProduct(int warp, uint address, int byteCount)
    {
        PtxFaultKind? fault = null;
        foreach (ProductRead read in _reads)
        {
            if (fault != PtxFaultKind.WarpgroupNotWaited && read.Touches(address, byteCount))
                fault = JudgeWrite(warp, read) ?? fault;
        }
        return fault;
    }

    private PtxFaultKind? JudgeWrite(int warp, ProductRead read)
    {
        int own = warp - read.FirstWarp;
        if (own is >= 0 and < Warpgroup.WarpCount && read.Issued[own] != 0 && read.Waited[own] == 0)
            return PtxFaultKind.WarpgroupNotWaited;
        PtxFaultKind? fault = null;
        for (int index = 0; index < Warpgroup.WarpCount; index++)
        {
            int other = read.FirstWarp + index;
            if (index == own || (read.Waited[index] != 0 && _clock.IsPast(warp, other, read.Waited[index])))
                continue;
            // A barrier that orders the start of the product, but not the wait for it, shows that the wait is late.
            if (read.Issued[index] != 0 && _clock.IsPast(warp, other, read.Issued[index]))
                return PtxFaultKind.WarpgroupNotWaited;
            fault = PtxFaultKind.SharedRace;
        }
        return fault;
    }

    /// <summary>Notes a write, which products do not see before a fence.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void NoteWrite(int warp, uint address, int byteCount)
    {
        int first = (int)(address >> _cellShift);
        int end = (int)((address + (uint)byteCount - 1) >> _cellShift) + 1;
        new Span<uint>(_fences + first, end - first).Clear();
        int lastChunk = (int)((address + (uint)byteCount - 1) >> ChunkShift);
        for (int chunk = (int)(address >> ChunkShift); chunk <= lastChunk; chunk++)
        {
            if ((_listed[chunk] >> warp & 1) != 0)
                continue;
            _listed[chunk] |= 1u << warp;
            _unfenced[warp].Add(chunk);
        }
    }

    /// <summary>Fences the writes of some threads of a warp to a row.</summary>
    /// <returns>Whether no write of the warp is left that needs another fence.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool FenceChunk(int warp, uint threads, int chunk)
    {
        int cell = chunk << (ChunkShift - _cellShift);
        int end = Math.Min(cell + (1 << (ChunkShift - _cellShift)), _cellCount);
        bool isDone = true;
        for (; cell < end; cell++)
        {
            if (_writes[cell] == 0 || _fences[cell] != 0)
                continue;
            (int writer, uint writers) = WriterOf(cell, warp);
            if (writer != warp)
                continue;
            if (_writes[cell] == AsyncPending || (writers & ~threads) != 0)
            {
                isDone = false;
                continue;
            }
            _fences[cell] = _clock.Now;
            _fenceThreadTicks[cell] = _threadClocks[warp].Now;
        }
        return isDone;
    }

    /// <summary>The warp and the threads of the last write of a cell. If several warps wrote it atomically, each of
    /// them may fence it.</summary>
    private (int Warp, uint Threads) WriterOf(int cell, int warp)
    {
        uint write = _writes[cell];
        if (write is AsyncPending or AsyncArrived)
            return (_copyOwners[cell] / Lanes.Count, 1u << (_copyOwners[cell] % Lanes.Count));
        uint writer = write & WarpMask;
        return writer == ManyWarps ? (warp, 0) : ((int)writer, _writeThreads[cell]);
    }

    private void ClearProducts()
    {
        if (!HasProducts)
            return;
        NativeMemory.Clear(_fences, (nuint)_cellCount * sizeof(uint));
        NativeMemory.Clear(_listed, (nuint)ChunkCount * sizeof(uint));
        foreach (List<int> chunks in _unfenced)
            chunks.Clear();
        foreach (ProductRead read in _reads)
            _freeReads.Push(read);
        _reads.Clear();
    }

    private void DisposeProducts()
    {
        NativeMemory.Free(_fences);
        NativeMemory.Free(_fenceThreadTicks);
        NativeMemory.Free(_listed);
        _fences = null;
    }
}
