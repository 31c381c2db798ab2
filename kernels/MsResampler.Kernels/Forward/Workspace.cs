using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward;

/// <summary>A stream with memory for a batch, which it computes. It keeps the tables and graphs of the batches that it
/// computed last, so that calls for a few lists of grids in turn lay out nothing. They share the memory of activations,
/// and read the same arena. A workspace serves one call at a time and is kept for later calls.</summary>
/// <param name="device">The device.</param>
internal sealed class Workspace(IDevice device) : IDisposable
{
    /// <summary>The number of batches that a workspace keeps.</summary>
    public const int MaxBatchCount = 16;

    /// <summary>The size of the tables of all batches, unless those of one batch are larger.</summary>
    private const long MaxTableBytes = 16 << 20;

    /// <summary>Kernels count with 32 bits, in units of 8 bytes at the least where an activation can be
    /// large.</summary>
    private const long MaxActivationBytes = int.MaxValue / 2 * 16L;

    /// <summary>The least recently used batch first.</summary>
    private readonly List<PreparedBatch> _batches = [];
    private PreparedBatch? _current;
    private IDeviceMemory? _memory;
    private IDeviceMemory? _tables;
    private long _slotBytes;
    private GridArena? _arena;
    private GridArena? _pendingArena;

    public IDeviceStream Stream { get; } = device.CreateStream();

    /// <summary>The batch to compute.</summary>
    public Batch Batch => _current!.Batch;

    /// <summary>Prepares to compute a batch that was laid out before.</summary>
    /// <param name="groups">The groups of the batch. Their temporal ids do not matter: the caller calls
    /// <see cref="SetOffsets"/>.</param>
    /// <param name="arena">Holds their operands.</param>
    /// <returns>Whether there is such a batch.</returns>
    public bool TrySelect(FrameGroups groups, GridArena arena)
    {
        if (arena != _arena)
            return false;
        for (int index = _batches.Count - 1; index >= 0; index--)
        {
            PreparedBatch batch = _batches[index];
            if (!batch.Has(groups))
                continue;
            _batches.RemoveAt(index);
            Select(batch);
            return true;
        }

        return false;
    }

    /// <summary>Allocates memory for a batch, copies its tables to the device and prepares to compute it. If there are
    /// too many batches, it takes the place of the least recently used one.</summary>
    /// <param name="plan">The batch.</param>
    /// <param name="arena">Holds the operands of its grids.</param>
    /// <remarks>It waits for the work of an earlier call if that work reads another arena, memory that is too small or
    /// the graph of the batch that is replaced, and not otherwise.</remarks>
    /// <exception cref="DeviceException">An activation is larger than kernels can address, or the device has too little
    /// memory.</exception>
    public void Lay(BatchPlan plan, GridArena arena)
    {
        if (arena != _arena)
        {
            // The former arena has been replaced, so it will not be used again.
            Settle();
            DropBatches();
            _arena = arena;
        }

        foreach (long size in plan.Sizes)
        {
            if (size > MaxActivationBytes)
            {
                throw new DeviceException($"an image or a group of frames needs a buffer of {size} bytes on the " +
                    $"device, more than {MaxActivationBytes}: use smaller patch grids, or fewer frames in a group");
            }
        }

        Grow(ref _memory, plan.Sizes.Sum(DeviceView.Align));
        // One copy: a stream has two staging buffers, and a third copy would wait for the work before the first.
        int blockOffset = (int)DeviceView.Align((long)plan.RowStarts.Length * sizeof(int));
        ReadOnlySpan<byte> groups = MemoryMarshal.AsBytes<MergedGroup>(plan.MergedGroups());
        int groupOffset = groups.IsEmpty ? blockOffset + plan.Blocks.Length
            : (int)DeviceView.Align(blockOffset + plan.Blocks.Length);
        int startOffset = groups.IsEmpty ? groupOffset : (int)DeviceView.Align(groupOffset + groups.Length);
        byte[] tables = new byte[startOffset + (plan.OffsetStarts.Length * sizeof(int))];
        MemoryMarshal.AsBytes<int>(plan.RowStarts).CopyTo(tables);
        plan.Blocks.CopyTo(tables, blockOffset);
        groups.CopyTo(tables.AsSpan(groupOffset));
        MemoryMarshal.AsBytes<int>(plan.OffsetStarts).CopyTo(tables.AsSpan(startOffset));
        int slot = TakeSlot(tables.Length);
        Stream.Upload(tables, _tables!, slot * _slotBytes);
        DeviceView allTables = DeviceView.Of(_tables!).Slice(slot * _slotBytes, tables.Length);
        Batch batch = new(plan with { RowStarts = [], Blocks = [] })
        {
            Arena = DeviceView.Of(arena.Memory),
            RowStarts = allTables.Slice(0, (long)plan.RowStarts.Length * sizeof(int)),
            Blocks = allTables.Slice(blockOffset, plan.Blocks.Length),
            MergedGroups = allTables.Slice(groupOffset, groups.Length),
            OffsetStarts = allTables.Slice(startOffset, plan.OffsetStarts.Length * sizeof(int)),
        };
        long offset = 0;
        foreach (Activation activation in Batch.Activations)
        {
            long size = plan.Sizes[(int)activation];
            batch[activation] = DeviceView.Of(_memory).Slice(offset, size);
            offset += DeviceView.Align(size);
        }

        Select(new PreparedBatch(batch, slot, plan.OffsetStarts));
    }

    /// <summary>Makes the batch use other offsets of its frames. It keeps its graphs.</summary>
    /// <param name="starts"><see cref="BatchPlan.OffsetStarts"/>.</param>
    public void SetOffsets(int[] starts)
    {
        if (starts.AsSpan().SequenceEqual(_current!.OffsetStarts))
            return;
        Stream.Upload(MemoryMarshal.AsBytes<int>(starts), _tables!,
            (long)(Batch.OffsetStarts.Address - _tables!.Address));
        _current.OffsetStarts = starts;
    }

    /// <summary>After a call that did not finish, the activations are not as the next call expects them.</summary>
    public void Invalidate() => _current = null;

    /// <summary>The forward pass of the batch with a destination of its tokens.</summary>
    public ForwardPass PassFor(TokenTarget target) => _current!.PassFor(target);

    /// <summary>Keeps an arena while work that no caller waits for reads it.</summary>
    /// <param name="arena">The arena of the batch. The workspace releases it in place of the caller.</param>
    public void Keep(GridArena arena)
    {
        if (_pendingArena is null)
            _pendingArena = arena;
        else
            arena.Release();
    }

    /// <summary>Waits for work that no caller has waited for, if there is any.</summary>
    public void Settle()
    {
        if (_pendingArena is null)
            return;
        Stream.Synchronize();
        _pendingArena.Release();
        _pendingArena = null;
    }

    /// <summary>Copies to an activation.</summary>
    public void Upload(HostRows rows, Activation activation, CancellationToken cancellationToken)
        => Stream.Upload(rows, _memory!, OffsetOf(activation), cancellationToken);

    /// <summary>Copies from an activation.</summary>
    /// <param name="activation">The activation.</param>
    /// <param name="destination">Receives the bytes.</param>
    /// <param name="byteOffset">Bytes of the activation before them.</param>
    public void Download(Activation activation, Span<byte> destination, long byteOffset = 0)
        => Stream.Download(_memory!, destination, OffsetOf(activation) + byteOffset);

    public void Dispose()
    {
        try
        {
            DropBatches();
            Stream.Dispose();
        }
        finally
        {
            _pendingArena?.Release();
            _memory?.Dispose();
            _tables?.Dispose();
        }
    }

    /// <summary>Prepares to compute a batch, which becomes the most recently used one.</summary>
    private void Select(PreparedBatch batch)
    {
        _batches.Add(batch);
        if (batch == _current)
            return;
        // The last call has used the memory for other activations.
        foreach (Activation activation in batch.Batch.Cleared)
            Stream.Clear(batch.Batch[activation].Address, batch.Batch[activation].ByteCount);
        _current = batch;
    }

    /// <summary>A slot for tables, if need be that of the least recently used batch.</summary>
    private int TakeSlot(int byteCount)
    {
        if (byteCount > _slotBytes)
        {
            long slotBytes = Math.Max(DeviceView.Align(1), (long)BitOperations.RoundUpToPowerOf2((uint)byteCount));
            DropBatches();
            Grow(ref _tables, slotBytes * SlotCount(slotBytes));
            _slotBytes = slotBytes;
        }

        if (_batches.Count == SlotCount(_slotBytes))
        {
            _batches[0].Dispose();
            _batches.RemoveAt(0);
        }

        int slot = 0;
        while (_batches.Exists(batch => batch.Slot == slot))
            slot++;
        return slot;
    }

    private static int SlotCount(long slotBytes) => (int)Math.Clamp(MaxTableBytes / slotBytes, 1, MaxBatchCount);

    // A graph waits for its work when it is disposed, and must go before the memory that it uses.
    private void DropBatches()
    {
        foreach (PreparedBatch batch in _batches)
            batch.Dispose();
        _batches.Clear();
        _current = null;
    }

    private long OffsetOf(Activation activation) => (long)(Batch[activation].Address - _memory!.Address);

    /// <summary>Replaces memory that is too small, with the batches that use it.</summary>
    private void Grow([NotNull] ref IDeviceMemory? memory, long byteCount)
    {
        if (memory is not null && memory.ByteCount >= byteCount)
            return;
        Settle();
        DropBatches();
        memory?.Dispose();
        memory = null;
        memory = device.Allocate(byteCount);
    }
}
