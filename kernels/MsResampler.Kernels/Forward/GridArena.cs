using MsResampler.Kernels.Device;
namespace MsResampler.Kernels.Forward;

/// <summary>Device memory that holds the operands of many grids, so that one launch can serve images of different
/// grids. It is filled from its start; when it is full, a new one takes its place and this one is freed with its last
/// user.
/// </summary>
internal sealed class GridArena(IDeviceMemory memory)
{
    private int _userCount = 1;

    public IDeviceMemory Memory => memory;

    /// <summary>The grids it holds.</summary>
    public Dictionary<PatchGrid, GridOperands> Grids { get; } = [];

    /// <summary>The first group of four floats that is free.</summary>
    public long End { get; set; }

    /// <summary>Groups of four floats in all.</summary>
    public long Capacity => memory.ByteCount / DeviceView.VectorBytes;

    /// <summary>Keeps the memory until <see cref="Release"/>.</summary>
    public void AddUser() => Interlocked.Increment(ref _userCount);

    /// <summary>Frees the memory if nobody else uses it.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _userCount) == 0)
            memory.Dispose();
    }
}
