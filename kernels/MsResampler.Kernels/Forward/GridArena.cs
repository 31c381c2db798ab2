namespace MsResampler.Kernels.Forward;

/// <summary>Device memory that holds the operands of many grids, so that one launch can serve images of different
/// grids, and the offsets of frames. They are added one after another. When the memory is full, a new arena replaces
/// this one, whose memory is freed when its last user releases it.</summary>
internal sealed class GridArena(IDeviceMemory memory)
{
    private int _userCount = 1;

    public IDeviceMemory Memory => memory;

    /// <summary>The grids it holds.</summary>
    public Dictionary<PatchGrid, GridOperands> Grids { get; } = [];

    /// <summary>The byte offset of each frame's offsets that it holds.</summary>
    public Dictionary<FrameKey, long> Offsets { get; } = [];

    /// <summary>The byte offset of the free rest.</summary>
    public long End { get; set; }

    /// <summary>Keeps the memory until <see cref="Release"/>.</summary>
    public void AddUser() => Interlocked.Increment(ref _userCount);

    /// <summary>Frees the memory if there is no other user.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _userCount) == 0)
            memory.Dispose();
    }
}
