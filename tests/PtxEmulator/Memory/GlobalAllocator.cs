namespace PtxEmulator.Memory;

/// <summary>Allocates global memory with gaps between the allocations. Freed memory is not reused at once, so that a
/// stale address points to freed memory and not to another allocation.</summary>
internal sealed class GlobalAllocator(GlobalMemory memory)
{
    private const long Alignment = 256;
    private const long Gap = 256;

    private readonly SortedDictionary<ulong, Allocation> _allocations = [];
    private readonly Queue<Allocation> _resting = new();
    private readonly List<(ulong Address, long Bytes)> _free = [];
    private ulong _top = AddressMap.Global + (ulong)Gap;
    private long _restingBytes;

    /// <summary>The number of allocated bytes.</summary>
    public long AllocatedBytes { get; private set; }

    public Allocation Allocate(long byteCount, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(byteCount, 1);
        ulong? found = Take(byteCount);
        while (found == null && _resting.Count > 0)
        {
            Release(_resting.Dequeue());
            found = Take(byteCount);
        }
        if (found is not { } address)
        {
            throw new InsufficientMemoryException($"'{name}' needs {byteCount} bytes; of the device's "
                + $"{memory.ByteCount} bytes, {AllocatedBytes} are allocated.");
        }
        var allocation = new Allocation(address, byteCount, name);
        _allocations[address] = allocation;
        AllocatedBytes += byteCount;
        memory.MarkAllocated(address, byteCount);
        return allocation;
    }

    /// <summary>Frees a live allocation.</summary>
    public void Free(Allocation allocation)
    {
        allocation.IsFreed = true;
        AllocatedBytes -= allocation.Bytes;
        memory.MarkFreed(allocation.Address, allocation.Bytes);
        _resting.Enqueue(allocation);
        _restingBytes += allocation.Bytes;
        while (_restingBytes > memory.ByteCount / 4)
            Release(_resting.Dequeue());
    }

    /// <summary>The live or freed allocation that starts at an address; null if there is none.</summary>
    public Allocation? Find(ulong address) => _allocations.GetValueOrDefault(address);

    /// <summary>Describes the location of an address in words.</summary>
    public string Describe(ulong address)
    {
        Allocation? before = _allocations.Values.LastOrDefault(allocation => allocation.Address <= address);
        Allocation? after = _allocations.Values.FirstOrDefault(allocation => allocation.Address > address);
        if (before != null && address < before.End)
            return $"byte {address - before.Address} of {before}";
        ulong fromBefore = before == null ? ulong.MaxValue : address - before.End;
        ulong toAfter = after == null ? ulong.MaxValue : after.Address - address;
        if (before == null && after == null)
            return "there is no allocation";
        return fromBefore <= toAfter ? $"{fromBefore} bytes past the end of {before}"
            : $"{toAfter} bytes before {after}";
    }

    private static long Footprint(long byteCount) => ((byteCount + Alignment - 1) / Alignment * Alignment) + Gap;

    private ulong? Take(long byteCount)
    {
        long footprint = Footprint(byteCount);
        for (int index = 0; index < _free.Count; index++)
        {
            (ulong address, long bytes) = _free[index];
            if (bytes < footprint)
                continue;
            _free[index] = (address + (ulong)footprint, bytes - footprint);
            return address;
        }
        ulong end = AddressMap.Global + (ulong)memory.ByteCount;
        if (footprint < 0 || (ulong)footprint > end - _top)
            return null;
        ulong taken = _top;
        _top += (ulong)footprint;
        return taken;
    }

    private void Release(Allocation allocation)
    {
        _restingBytes -= allocation.Bytes;
        _allocations.Remove(allocation.Address);
        memory.MarkUnused(allocation.Address, allocation.Bytes);
        _free.Add((allocation.Address, Footprint(allocation.Bytes)));
        Merge();
    }

    private void Merge()
    {
        _free.RemoveAll(piece => piece.Bytes == 0);
        _free.Sort();
        for (int index = _free.Count - 1; index > 0; index--)
        {
            if (_free[index - 1].Address + (ulong)_free[index - 1].Bytes != _free[index].Address)
                continue;
            _free[index - 1] = (_free[index - 1].Address, _free[index - 1].Bytes + _free[index].Bytes);
            _free.RemoveAt(index);
        }
    }
}
