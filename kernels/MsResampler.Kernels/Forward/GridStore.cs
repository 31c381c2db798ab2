namespace MsResampler.Kernels.Forward;

/// <summary>The operands of recently used grids, and the offsets of recently used frames, on the device. One caller at
/// a time adds to them; callers whose grids and frames are known do not wait for it.</summary>
/// <param name="device">The device.</param>
/// <param name="model">Lays out and fills the operands.</param>
/// <param name="arenaBytes">The size of an arena, which is larger if one call needs more.</param>
internal sealed class GridStore(IDevice device, DeviceModel model, long arenaBytes) : IDisposable
{
    private readonly Lock _adding = new();
    private readonly Lock _state = new();
    private GridArena? _current;

    /// <summary>An arena that holds the operands of all frames of some groups. The caller releases it.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="stream">Copies and computes what is missing.</param>
    public GridArena Acquire(FrameGroups groups, IDeviceStream stream)
    {
        // Images have no offsets.
        bool areImages = groups.GroupCount == groups.FrameCount;
        HashSet<FrameKey>? keys = areImages ? null : model.Offsets.KeysOf(groups);
        if (Find(groups.Grids, keys) is { } known)
            return known;
        lock (_adding)
        {
            if (Find(groups.Grids, keys) is { } raced)
                return raced;
            List<PatchGrid> grids = [.. groups.Grids.ToArray().Distinct()];
            Additions? added = _current is null ? null
                : Lay(grids.Where(grid => !_current.Grids.ContainsKey(grid)),
                    keys?.Where(key => !_current.Offsets.ContainsKey(key)), _current.End);
            if (added is null || added.End > _current!.Memory.ByteCount)
            {
                added = Lay(grids, keys, 0);
                Replace(added.End);
            }

            try
            {
                foreach (GridOperands operands in added.Grids)
                    model.Fill(_current!.Memory, operands, stream);
                if (added.Offsets.Count > 0)
                    model.Offsets.Fill(_current!.Memory, added.Offsets, stream);
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
                foreach (GridOperands operands in added.Grids)
                    _current!.Grids.Add(operands.Plan.Grid, operands);
                foreach ((FrameKey key, long place) in added.Offsets)
                    _current!.Offsets.Add(key, place);
                _current!.End = added.End;
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

    private GridArena? Find(ReadOnlySpan<PatchGrid> grids, HashSet<FrameKey>? keys)
    {
        lock (_state)
        {
            if (_current is null)
                return null;
            foreach (PatchGrid grid in grids)
                if (!_current.Grids.ContainsKey(grid))
                    return null;
            if (keys is not null && !keys.All(_current.Offsets.ContainsKey))
                return null;
            _current.AddUser();
            return _current;
        }
    }

    private Additions Lay(IEnumerable<PatchGrid> grids, IEnumerable<FrameKey>? keys, long start)
    {
        List<GridOperands> operands = [];
        foreach (PatchGrid grid in grids)
        {
            operands.Add(model.Lay(model.Plan(grid), start));
            start = operands[^1].End;
        }

        Dictionary<FrameKey, long> offsets = model.Offsets.Lay(keys ?? [], ref start);
        return new Additions(operands, offsets, start);
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

    /// <summary>What is added to an arena.</summary>
    /// <param name="Grids">Operands of grids.</param>
    /// <param name="Offsets">Places of offsets of frames.</param>
    /// <param name="End">The byte offset of the free rest.</param>
    private sealed record Additions(List<GridOperands> Grids, Dictionary<FrameKey, long> Offsets, long End);
}
