namespace MsResampler.Cpu;

/// <summary>The grids used last, up to a number of bytes; the least recently used ones go first. The newest is kept
/// whatever its size.</summary>
internal sealed class GridCache(long maxBytes, Func<PatchGrid, GridOperands> create)
{
    private readonly Dictionary<PatchGrid, LinkedListNode<GridOperands>> _nodes = [];
    private readonly LinkedList<GridOperands> _order = [];
    private readonly Lock _building = new();
    private long _bytes;

    /// <summary>The operands of a grid, made if need be. One grid is made at a time; known ones never wait.</summary>
    public GridOperands Get(PatchGrid grid)
    {
        if (Find(grid) is { } known)
            return known;
        lock (_building)
        {
            if (Find(grid) is { } raced)
                return raced;
            GridOperands made = create(grid);
            lock (_nodes)
            {
                _nodes.Add(grid, _order.AddFirst(made));
                _bytes += made.Bytes;
                while (_bytes > maxBytes && _order.Count > 1)
                {
                    GridOperands oldest = _order.Last!.Value;
                    _order.RemoveLast();
                    _nodes.Remove(oldest.Plan.Grid);
                    _bytes -= oldest.Bytes;
                }
            }

            return made;
        }
    }

    private GridOperands? Find(PatchGrid grid)
    {
        lock (_nodes)
        {
            if (!_nodes.TryGetValue(grid, out LinkedListNode<GridOperands>? node))
                return null;
            _order.Remove(node);
            _order.AddFirst(node);
            return node.Value;
        }
    }
}
