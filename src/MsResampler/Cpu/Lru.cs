namespace MsResampler.Cpu;

/// <summary>A dictionary that knows the least recently used value. Not thread-safe.</summary>
internal sealed class Lru<TKey, TValue>
    where TKey : notnull
{
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _nodes = [];
    private readonly LinkedList<(TKey Key, TValue Value)> _order = [];

    public int Count => _nodes.Count;

    /// <summary>Finds a value and marks it as the most recently used.</summary>
    public bool TryGet(TKey key, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out TValue value)
    {
        if (!_nodes.TryGetValue(key, out LinkedListNode<(TKey Key, TValue Value)>? node))
        {
            value = default;
            return false;
        }

        if (node != _order.First)
        {
            _order.Remove(node);
            _order.AddFirst(node);
        }

        value = node.Value.Value;
        return true;
    }

    /// <summary>Adds a value as the most recently used.</summary>
    public void Add(TKey key, TValue value) => _nodes.Add(key, _order.AddFirst((key, value)));

    /// <summary>Removes the least recently used value and returns it.</summary>
    public TValue RemoveOldest()
    {
        (TKey key, TValue value) = _order.Last!.Value;
        _order.RemoveLast();
        _nodes.Remove(key);
        return value;
    }
}
