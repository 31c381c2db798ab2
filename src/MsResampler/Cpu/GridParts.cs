namespace MsResampler.Cpu;

/// <summary>The parts in use, by what they depend on. The memory of one that no grid holds any more serves the next.
/// </summary>
internal sealed class GridParts
{
    private readonly Dictionary<PartKey, GridPart> _parts = [];

    /// <summary>Where parts get their memory.</summary>
    public BufferPool Pool { get; } = new();

    /// <summary>The part, made if need be, with one more grid that holds it. One caller at a time; <see cref="Release"/>
    /// may run meanwhile.</summary>
    public T Retain<T>(PartKey key, Func<T> create)
        where T : GridPart
    {
        lock (_parts)
        {
            if (_parts.TryGetValue(key, out GridPart? known))
            {
                known.UseCount++;
                return (T)known;
            }
        }

        T made = create();
        made.UseCount = 1;
        lock (_parts)
            _parts.Add(key, made);
        return made;
    }

    /// <summary>Says that a grid holds the part no longer.</summary>
    public void Release(GridPart part)
    {
        lock (_parts)
        {
            if (--part.UseCount > 0)
                return;
            _parts.Remove(part.Key);
        }

        Pool.Return(part.Memory);
    }
}
