namespace PtxEmulator.Decoding;

/// <summary>Orders the basic blocks of a kernel so that each block follows all blocks that lead to it, except along
/// back edges, and the blocks of a loop are contiguous. Threads that diverged then reconverge as early as possible if
/// the threads at the earliest block always run first.</summary>
/// <remarks>The order is Bourdoncle's weak topological order: the strongly connected components in topological order,
/// and within a component its head followed by the other blocks, ordered in the same way without the edges back to
/// the head.</remarks>
internal sealed class FlowLayout
{
    private readonly List<Instruction> _code;
    private readonly List<(int Start, int End)> _blocks = [];
    private readonly List<int[]> _successors = [];
    private readonly int[] _regions;
    private readonly List<int> _order = [];
    private int _lastRegion;

    private FlowLayout(List<Instruction> code)
    {
        _code = code;
        FindBlocks();
        _regions = new int[_blocks.Count];
    }

    /// <param name="code">The instructions in the order in which they were decoded.</param>
    /// <param name="alwaysTrue">The predicate that guards jumps added by the layout.</param>
    public static Instruction[] Arrange(List<Instruction> code, int alwaysTrue)
    {
        var layout = new FlowLayout(code);
        layout.Visit([0], 0);
        return layout.Emit(alwaysTrue);
    }

    private void FindBlocks()
    {
        var starts = new SortedSet<int> { 0 };
        for (int index = 0; index < _code.Count; index++)
        {
            foreach (Label target in _code[index].Targets)
                starts.Add(target.Index);
            if (_code[index].Targets.Count > 0 || !_code[index].FallsThrough)
                starts.Add(index + 1);
        }
        int[] bounds = [.. starts.Where(start => start < _code.Count), _code.Count];
        var blockOf = new Dictionary<int, int>();
        for (int block = 0; block < bounds.Length - 1; block++)
        {
            _blocks.Add((bounds[block], bounds[block + 1]));
            blockOf[bounds[block]] = block;
        }
        foreach ((_, int end) in _blocks)
        {
            Instruction last = _code[end - 1];
            var successors = last.Targets.Select(target => blockOf[target.Index]).ToList();
            // Visited last, so that it directly follows its block where the order leaves a choice.
            if (last.FallsThrough && end < _code.Count)
                successors.Add(blockOf[end]);
            _successors.Add([.. successors.Distinct()]);
        }
    }

    /// <summary>Orders the blocks of a region that are reachable from the given blocks.</summary>
    private void Visit(IEnumerable<int> starts, int region)
    {
        var components = new ComponentFinder(_successors, _regions, region).Find(starts);
        for (int index = components.Count - 1; index >= 0; index--)
        {
            List<int> component = components[index];
            int head = component[^1];
            _order.Add(head);
            if (component.Count == 1)
            {
                _regions[head] = -1;
                continue;
            }
            int inner = ++_lastRegion;
            foreach (int block in component)
                _regions[block] = inner;
            _regions[head] = -1;
            Visit(_successors[head].Where(successor => _regions[successor] == inner), inner);
        }
    }

    private Instruction[] Emit(int alwaysTrue)
    {
        var result = new List<Instruction>();
        var newIndex = new Dictionary<int, int>();
        for (int index = 0; index < _order.Count; index++)
        {
            (int start, int end) = _blocks[_order[index]];
            newIndex[start] = result.Count;
            result.AddRange(_code.GetRange(start, end - start));
            bool isNext = index + 1 < _order.Count && _blocks[_order[index + 1]].Start == end;
            if (!_code[end - 1].FallsThrough || isNext)
                continue;
            result.Add(new BranchInstruction(new Label { Index = end }) { Guard = alwaysTrue });
        }
        Instruction[] laidOut = [.. result];
        var moved = new HashSet<Label>();
        for (int index = 0; index < laidOut.Length; index++)
        {
            laidOut[index].Index = index;
            foreach (Label target in laidOut[index].Targets)
            {
                if (moved.Add(target))
                    target.Index = newIndex[target.Index];
            }
        }
        return laidOut;
    }
}
