namespace MsResampler.Cpu;

/// <summary>The parts in use, by key. The memory of a part that no grid holds any more is reused for the next
/// part.</summary>
internal sealed class GridParts
{
    private readonly Dictionary<PartKey, GridPart> _parts = [];

    /// <summary>Provides the memory of the parts.</summary>
    public BufferPool Pool { get; } = new();

    /// <summary>Returns the part for a grid that will hold it, and creates it if there is none. One caller at a
    /// time; <see cref="Release"/> may run at the same time.</summary>
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

    /// <summary>Drops the reference of one grid to the part.</summary>
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
