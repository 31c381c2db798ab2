namespace PtxEmulator.Decoding;

/// <summary>Tarjan's algorithm for the strongly connected components of the blocks of one region, without recursion:
/// inlined kernels are thousands of blocks deep.</summary>
internal sealed class ComponentFinder(IReadOnlyList<int[]> successors, int[] regions, int region)
{
    private readonly Dictionary<int, int> _numbers = [];
    private readonly Dictionary<int, int> _lowest = [];
    private readonly HashSet<int> _onStack = [];
    private readonly Stack<int> _stack = new();
    private readonly Stack<(int Block, int Next)> _path = new();
    private readonly List<List<int>> _components = [];

    /// <summary>The components that are reachable from the given blocks, in reverse topological order. The last block
    /// of each component is the block through which it was entered.</summary>
    public List<List<int>> Find(IEnumerable<int> starts)
    {
        foreach (int start in starts.Where(start => !_numbers.ContainsKey(start)))
            Search(start);
        return _components;
    }

    private void Search(int start)
    {
        Enter(start);
        while (_path.TryPop(out (int Block, int Next) step))
        {
            (int block, int next) = step;
            if (next == successors[block].Length)
            {
                Leave(block);
                continue;
            }
            _path.Push((block, next + 1));
            int successor = successors[block][next];
            if (regions[successor] != region)
                continue;
            if (!_numbers.TryGetValue(successor, out int number))
                Enter(successor);
            else if (_onStack.Contains(successor))
                _lowest[block] = Math.Min(_lowest[block], number);
        }
    }

    private void Enter(int block)
    {
        _numbers[block] = _lowest[block] = _numbers.Count;
        _stack.Push(block);
        _onStack.Add(block);
        _path.Push((block, 0));
    }

    private void Leave(int block)
    {
        if (_path.TryPeek(out (int Block, int Next) parent))
            _lowest[parent.Block] = Math.Min(_lowest[parent.Block], _lowest[block]);
        if (_lowest[block] != _numbers[block])
            return;
        var component = new List<int>();
        int member;
        do
        {
            member = _stack.Pop();
            _onStack.Remove(member);
            component.Add(member);
        }
        while (member != block);
        _components.Add(component);
    }
}
