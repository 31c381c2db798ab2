using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Forward;

/// <summary>A stream with the memory and the graphs of the batch that it computes. A workspace serves one call at a
/// time and is kept for later calls.</summary>
/// <param name="device">The device.</param>
internal sealed class Workspace(IDevice device) : IDisposable
{
    /// <summary>Kernels count with 32 bits, in units of 8 bytes at the least where an activation can be
    /// large.</summary>
    private const long MaxActivationBytes = int.MaxValue / 2 * 16L;

    private readonly ForwardPass[] _passes = [.. Enum.GetValues<TokenTarget>().Select(_ => new ForwardPass())];
    private IDeviceMemory? _memory;
    private IDeviceMemory? _tables;
    private GridArena? _batchArena;
    private GridArena? _pendingArena;

    public IDeviceStream Stream { get; } = device.CreateStream();

    /// <summary>The batch that was laid out last.</summary>
    public Batch Batch { get; private set; } = Batch.Empty;

    /// <summary>Whether a batch of these grids in this arena is laid out.</summary>
    public bool Holds(ReadOnlySpan<PatchGrid> grids, GridArena arena)
    {
        if (arena != _batchArena || grids.Length != Batch.Plans.Count)
            return false;
        for (int image = 0; image < grids.Length; image++)
            if (grids[image] != Batch.Plans[image].Grid)
                return false;
        return true;
    }

    /// <summary>Allocates memory for a batch and copies its tables to the device.</summary>
    /// <param name="plan">The batch.</param>
    /// <param name="arena">Holds the operands of its grids.</param>
    /// <remarks>It waits for the work of an earlier call if that work reads another arena or memory that is too small,
    /// and not otherwise.</remarks>
    /// <exception cref="DeviceException">An activation is larger than kernels can address, or the device has too little
    /// memory.</exception>
    public void Lay(BatchPlan plan, GridArena arena)
    {
        if (arena != _pendingArena)
            Settle();
        Invalidate();
        foreach (long size in plan.Sizes)
        {
            if (size > MaxActivationBytes)
            {
                throw new DeviceException($"an image needs a buffer of {size} bytes on the device, more than " +
                    $"{MaxActivationBytes}: use a smaller patch grid");
            }
        }

        Grow(ref _memory, plan.Sizes.Sum(DeviceView.Align));
        // One copy: a stream has two staging buffers, and a third copy would wait for the work before the first.
        int blockOffset = (int)DeviceView.Align((long)plan.RowStarts.Length * sizeof(int));
        byte[] tables = new byte[blockOffset + plan.Blocks.Length];
        MemoryMarshal.AsBytes<int>(plan.RowStarts).CopyTo(tables);
        plan.Blocks.CopyTo(tables, blockOffset);
        Grow(ref _tables, tables.Length);
        Stream.Upload(tables, _tables);
        DeviceView allTables = DeviceView.Of(_tables);
        Batch batch = new(plan)
        {
            Arena = DeviceView.Of(arena.Memory),
            RowStarts = allTables.Slice(0, (long)plan.RowStarts.Length * sizeof(int)),
            Blocks = allTables.Slice(blockOffset, plan.Blocks.Length),
        };
        long offset = 0;
        foreach (Activation activation in Batch.Activations)
        {
            long size = plan.Sizes[(int)activation];
            batch[activation] = DeviceView.Of(_memory).Slice(offset, size);
            offset += DeviceView.Align(size);
        }

        foreach (Activation activation in plan.Cleared)
            Stream.Clear(batch[activation].Address, batch[activation].ByteCount);
        Batch = batch;
        _batchArena = arena;
    }

    /// <summary>Drops the batch and its graphs after a call that did not finish.</summary>
    public void Invalidate()
    {
        // A graph waits for its work when it is disposed, and must go before the memory that it uses.
        foreach (ForwardPass pass in _passes)
            pass.Drop();
        _batchArena = null;
    }

    /// <summary>The forward pass of the batch with a destination of its tokens.</summary>
    public ForwardPass PassFor(TokenTarget target) => _passes[(int)target];

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
    public void Upload(ReadOnlySpan<byte> source, Activation activation)
        => Stream.Upload(source, _memory!, OffsetOf(activation));

    /// <summary>Copies from an activation.</summary>
    public void Download(Activation activation, Span<byte> destination)
        => Stream.Download(_memory!, destination, OffsetOf(activation));

    public void Dispose()
    {
        try
        {
            Invalidate();
            Stream.Dispose();
        }
        finally
        {
            _pendingArena?.Release();
            _memory?.Dispose();
            _tables?.Dispose();
        }
    }

    private long OffsetOf(Activation activation) => (long)(Batch[activation].Address - _memory!.Address);

    private void Grow([NotNull] ref IDeviceMemory? memory, long byteCount)
    {
        if (memory is not null && memory.ByteCount >= byteCount)
            return;
        Settle();
        memory?.Dispose();
        memory = null;
        memory = device.Allocate(byteCount);
    }
}
