namespace MsResampler.Cpu;

/// <summary>A cache of the operands of patch grids, limited in bytes. The least recently used grid is evicted
/// first; the newest grid stays even if it exceeds the limit. Images and frames of groups have entries of their own,
/// which share parts.</summary>
/// <remarks>A part that several cached grids share counts once. Operands that a call reads are not freed before
/// the call releases them. Plans stay longer than operands: they are small, and making one allocates memory,
/// whereas operands reuse memory.</remarks>
/// <param name="maxBytes">The limit for operands, in bytes.</param>
/// <param name="plan">Makes the plan of a grid.</param>
/// <param name="create">Makes the operands of a plan.</param>
internal sealed class GridCache(long maxBytes, Func<GridKey, GridPlan> plan,
    Func<GridPlan, GridParts, GridOperands> create)
{
    /// <summary>Lower bound of the memory for plans, in bytes: enough for a few hundred grids.</summary>
    private const long MinPlanBytes = 4L << 20;

    /// <summary>Plans may take 1/16 of the memory for operands, in addition to it.</summary>
    private const int PlanShare = 16;

    private readonly Lock _sync = new();
    private readonly Lock _building = new();
    private readonly Lru<GridKey, GridPlan> _plans = new();
    private readonly Lru<GridKey, GridOperands> _operands = new();
    private readonly GridParts _parts = new();
    private long _planBytes;
    private long _operandBytes;

    /// <summary>Memory in bytes of the plans, the operands of cached grids, and unused buffers.</summary>
    public long Bytes
    {
        get
        {
            lock (_sync)
                return _planBytes + _operandBytes + _parts.Pool.IdleBytes;
        }
    }

    /// <summary>Memory of the operands of cached grids, in bytes.</summary>
    public long OperandBytes
    {
        get
        {
            lock (_sync)
                return _operandBytes;
        }
    }

    /// <summary>The number of grids with cached operands.</summary>
    public int Count
    {
        get
        {
            lock (_sync)
                return _operands.Count;
        }
    }

    /// <summary>Returns the operands for images of a grid, like <see cref="Acquire(GridKey)"/>.</summary>
    public GridOperands Acquire(PatchGrid grid) => Acquire(new GridKey(grid));

    /// <summary>Returns the operands of a grid, and makes them if they are not cached. The caller must pass
    /// them to <see cref="Release"/>. One grid is made at a time; calls for cached grids do not wait.</summary>
    public GridOperands Acquire(GridKey key)
    {
        if (Find(key) is { } known)
            return known;
        lock (_building)
        {
            if (Find(key) is { } raced)
                return raced;
            GridOperands made = create(MakePlan(key), _parts);
            made.UseCount = 2;
            lock (_sync)
            {
                _operands.Add(key, made);
                foreach (GridPart part in made.Parts)
                    if (part.CachedCount++ == 0)
                        _operandBytes += part.Bytes;
                while (_operandBytes > maxBytes && _operands.Count > 1)
                    Evict(_operands.RemoveOldest());
            }

            return made;
        }
    }

    /// <summary>The plan for images of a grid. It is made if it is not cached.</summary>
    public GridPlan Plan(PatchGrid grid)
    {
        GridKey key = new(grid);
        lock (_sync)
            if (_plans.TryGet(key, out GridPlan? known))
                return known;
        lock (_building)
            return MakePlan(key);
    }

    /// <summary>Ends the use of the operands by a call.</summary>
    public void Release(GridOperands operands)
    {
        lock (_sync)
            Forget(operands);
    }

    private GridOperands? Find(GridKey key)
    {
        lock (_sync)
        {
            if (!_operands.TryGet(key, out GridOperands? found))
                return null;
            found.UseCount++;
            return found;
        }
    }

    /// <summary>The cached plan, or a new one. One caller at a time.</summary>
    private GridPlan MakePlan(GridKey key)
    {
        lock (_sync)
            if (_plans.TryGet(key, out GridPlan? known))
                return known;
        GridPlan made = plan(key);
        lock (_sync)
        {
            _plans.Add(key, made);
            _planBytes += made.Bytes;
            while (_planBytes > Math.Max(maxBytes / PlanShare, MinPlanBytes) && _plans.Count > 1)
                _planBytes -= _plans.RemoveOldest().Bytes;
        }

        return made;
    }

    private void Evict(GridOperands operands)
    {
        foreach (GridPart part in operands.Parts)
            if (--part.CachedCount == 0)
                _operandBytes -= part.Bytes;
        Forget(operands);
    }

    private void Forget(GridOperands operands)
    {
        if (--operands.UseCount > 0)
            return;
        foreach (GridPart part in operands.Parts)
            _parts.Release(part);
    }
}
