namespace MsResampler.Cpu;

/// <summary>The grids used last, up to a number of bytes; the least recently used ones go first. The newest is kept
/// whatever its size.</summary>
/// <remarks>A part that several cached grids hold counts once. What calls read is not freed before they release it.
/// Plans are kept longer than operands: they are small, and making one leaves garbage, where operands are made in
/// memory that is used again.</remarks>
/// <param name="maxBytes">Memory for operands.</param>
/// <param name="plan">Plans a grid.</param>
/// <param name="create">Makes its operands.</param>
internal sealed class GridCache(long maxBytes, Func<PatchGrid, GridPlan> plan,
    Func<GridPlan, GridParts, GridOperands> create)
{
    /// <summary>Memory for plans, if <see cref="PlanShare"/> is less: those of some hundred grids.</summary>
    private const long MinPlanBytes = 4L << 20;

    /// <summary>Plans may take this share of the memory for operands, beside it.</summary>
    private const int PlanShare = 16;

    private readonly Lock _sync = new();
    private readonly Lock _building = new();
    private readonly Lru<PatchGrid, GridPlan> _plans = new();
    private readonly Lru<PatchGrid, GridOperands> _operands = new();
    private readonly GridParts _parts = new();
    private long _planBytes;
    private long _operandBytes;

    /// <summary>Memory held for grids: plans, operands of cached grids, and buffers that wait for the next grid.</summary>
    public long Bytes
    {
        get
        {
            lock (_sync)
                return _planBytes + _operandBytes + _parts.Pool.IdleBytes;
        }
    }

    /// <summary>Memory that the operands of cached grids hold.</summary>
    public long OperandBytes
    {
        get
        {
            lock (_sync)
                return _operandBytes;
        }
    }

    /// <summary>The number of grids whose operands are cached.</summary>
    public int Count
    {
        get
        {
            lock (_sync)
                return _operands.Count;
        }
    }

    /// <summary>The operands of a grid, made if need be, to be given back to <see cref="Release"/>. One grid is made at a
    /// time; known ones never wait.</summary>
    public GridOperands Acquire(PatchGrid grid)
    {
        if (Find(grid) is { } known)
            return known;
        lock (_building)
        {
            if (Find(grid) is { } raced)
                return raced;
            GridOperands made = create(Plan(grid), _parts);
            made.UseCount = 2;
            lock (_sync)
            {
                _operands.Add(grid, made);
                foreach (GridPart part in made.Parts)
                    if (part.CachedCount++ == 0)
                        _operandBytes += part.Bytes;
                while (_operandBytes > maxBytes && _operands.Count > 1)
                    Evict(_operands.RemoveOldest());
            }

            return made;
        }
    }

    /// <summary>Says that a call reads the operands no longer.</summary>
    public void Release(GridOperands operands)
    {
        lock (_sync)
            Forget(operands);
    }

    private GridOperands? Find(PatchGrid grid)
    {
        lock (_sync)
        {
            if (!_operands.TryGet(grid, out GridOperands? found))
                return null;
            found.UseCount++;
            return found;
        }
    }

    private GridPlan Plan(PatchGrid grid)
    {
        lock (_sync)
            if (_plans.TryGet(grid, out GridPlan? known))
                return known;
        GridPlan made = plan(grid);
        lock (_sync)
        {
            _plans.Add(grid, made);
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
