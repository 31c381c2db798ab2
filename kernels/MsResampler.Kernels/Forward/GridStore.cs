namespace MsResampler.Kernels.Forward;

/// <summary>The operands of recently used grids, on the device. One caller at a time adds grids; callers whose grids
/// are known do not wait for it.</summary>
/// <param name="device">The device.</param>
/// <param name="model">Lays out and fills the operands of a grid.</param>
/// <param name="arenaBytes">The size of an arena, which is larger if one call needs more.</param>
internal sealed class GridStore(IDevice device, DeviceModel model, long arenaBytes) : IDisposable
{
    private readonly Lock _adding = new();
    private readonly Lock _state = new();
    private GridArena? _current;

    /// <summary>An arena that holds all <paramref name="grids"/>. The caller releases it.</summary>
    /// <param name="grids">The grids; a grid may occur more than once.</param>
    /// <param name="stream">Copies and computes the operands that are missing.</param>
    public GridArena Acquire(ReadOnlySpan<PatchGrid> grids, IDeviceStream stream)
    {
        if (Find(grids) is { } known)
            return known;
        lock (_adding)
        {
            if (Find(grids) is { } raced)
                return raced;
            List<PatchGrid> wanted = [.. grids.ToArray().Distinct()];
            List<GridOperands> made = _current is null ? []
                : Lay(wanted.Where(grid => !_current.Grids.ContainsKey(grid)), _current.End);
            if (_current is null || made[^1].End > _current.Memory.ByteCount)
            {
                made = Lay(wanted, 0);
                Replace(made[^1].End);
            }

            try
            {
                foreach (GridOperands operands in made)
                    model.Fill(_current!.Memory, operands, stream);
                stream.Synchronize();
            }
            catch
            {
                // Other streams may write to this part of the arena next.
                stream.Settle();
                throw;
            }

            lock (_state)
            {
                foreach (GridOperands operands in made)
                    _current!.Grids.Add(operands.Plan.Grid, operands);
                _current!.End = made[^1].End;
                _current.AddUser();
                return _current;
            }
        }
    }

    public void Dispose()
    {
        _current?.Release();
        _current = null;
    }

    private GridArena? Find(ReadOnlySpan<PatchGrid> grids)
    {
        lock (_state)
        {
            if (_current is null)
                return null;
            foreach (PatchGrid grid in grids)
                if (!_current.Grids.ContainsKey(grid))
                    return null;
            _current.AddUser();
            return _current;
        }
    }

    private List<GridOperands> Lay(IEnumerable<PatchGrid> grids, long start)
    {
        List<GridOperands> result = [];
        foreach (PatchGrid grid in grids)
        {
            result.Add(model.Lay(model.Plan(grid), start));
            start = result[^1].End;
        }

        return result;
    }

    private void Replace(long byteCount)
    {
        // Released first: the device may not have memory for two arenas.
        lock (_state)
        {
            _current?.Release();
            _current = null;
        }

        IDeviceMemory memory = device.Allocate(Math.Max(arenaBytes, byteCount));
        lock (_state)
            _current = new GridArena(memory);
    }
}
