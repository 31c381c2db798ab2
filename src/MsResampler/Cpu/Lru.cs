namespace MsResampler.Cpu;

/// <summary>Values in the order of their last use. Not synchronised.</summary>
internal sealed class Lru<TKey, TValue>
    where TKey : notnull
{
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _nodes = [];
    private readonly LinkedList<(TKey Key, TValue Value)> _order = [];

    public int Count => _nodes.Count;

    /// <summary>Finds a value, which becomes the one used last.</summary>
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

    public void Add(TKey key, TValue value) => _nodes.Add(key, _order.AddFirst((key, value)));

    /// <summary>Removes the value whose last use is longest ago.</summary>
    public TValue RemoveOldest()
    {
        (TKey key, TValue value) = _order.Last!.Value;
        _order.RemoveLast();
        _nodes.Remove(key);
        return value;
    }
}
