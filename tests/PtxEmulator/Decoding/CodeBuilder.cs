namespace PtxEmulator.Decoding;

/// <summary>Collects the instructions, registers and variables of a kernel.</summary>
internal sealed class CodeBuilder(ModuleTarget target)
{
    private const int ChunkBytes = Lanes.ChunkBytes;

    private readonly Dictionary<(int LaneBytes, ulong Value, Variable? Symbol), int> _constants = [];
    private readonly Dictionary<(int LaneBytes, string Name), int> _specials = [];
    private readonly Dictionary<Variable, int> _offsets = [];
    private readonly HashSet<Variable> _globals = [];
    private readonly List<Variable> _dynamicShared = [];
    private int _registerBytes;
    private int _predicateChunk = -1;
    private int _predicateCount;
    private int _sharedBytes;
    private int _localBytes;

    public List<Instruction> Instructions { get; } = [];

    /// <summary>Logarithm of the narrowest access to shared memory.</summary>
    public int SharedCellShift { get; private set; } = 2;

    /// <summary>Logarithm of the narrowest access to global memory.</summary>
    public int GlobalCellShift { get; private set; } = 2;

    public bool HasGlobalAtomics { get; set; }

    /// <summary>Whether there are instructions of warpgroups.</summary>
    public bool HasWarpgroups { get; set; }

    /// <summary>What the module is for.</summary>
    public ModuleTarget Target => target;

    /// <summary>The names of the declared registers, for messages; empty unless the target is Hopper.</summary>
    public Dictionary<int, string> RegisterNames { get; } = [];

    /// <summary>The registers that each instruction accesses; empty unless the target is Hopper.</summary>
    public Dictionary<Instruction, int[]> AccessedRegisters { get; } = [];

    public int LocalBytes => _localBytes;

    public int StaticSharedBytes => _sharedBytes;

    public IReadOnlyDictionary<Variable, int> Offsets => _offsets;

    /// <summary>A predicate that is always true.</summary>
    public int True => Constant(Lanes.All, 0);

    public int AllocateRegister(Register register)
    {
        int slot = register.Type.IsPredicate ? AllocatePredicate() : AllocateLanes(register.Type.LaneBytes);
        if (target.IsHopper)
            RegisterNames[slot] = register.Name;
        return slot;
    }

    public int Constant(ulong value, int laneBytes) => Constant(value, laneBytes, null);

    /// <summary>A register that contains the address of a variable.</summary>
    public int AddressOf(Variable variable, long offset, int laneBytes)
    {
        Place(variable);
        return Constant((ulong)offset, laneBytes, variable);
    }

    public int Special(string name, int laneBytes)
    {
        if (!_specials.TryGetValue((laneBytes, name), out int slot))
            _specials[(laneBytes, name)] = slot = AllocateLanes(laneBytes);
        return slot;
    }

    public void NoteSharedAccess(int byteCount)
        => SharedCellShift = Math.Min(SharedCellShift, System.Numerics.BitOperations.Log2((uint)byteCount));

    public void NoteGlobalAccess(int byteCount)
        => GlobalCellShift = Math.Min(GlobalCellShift, System.Numerics.BitOperations.Log2((uint)byteCount));

    /// <summary>Assigns an offset to a variable.</summary>
    public void Place(Variable variable)
    {
        switch (variable.Space)
        {
            case StateSpace.Global or StateSpace.Constant:
                foreach ((_, Variable target, _) in _globals.Add(variable) ? variable.Pointers : [])
                    Place(target);
                break;
            case StateSpace.Shared when variable.IsDynamic:
                if (!_dynamicShared.Contains(variable))
                    _dynamicShared.Add(variable);
                break;
            case StateSpace.Shared when !_offsets.ContainsKey(variable):
                _offsets[variable] = Allocate(ref _sharedBytes, variable);
                break;
            case StateSpace.Local when !_offsets.ContainsKey(variable):
                _offsets[variable] = Allocate(ref _localBytes, variable);
                break;
        }
    }

    /// <summary>Assigns an offset to a parameter of the entry.</summary>
    public void PlaceParameter(Variable variable, int offset) => _offsets[variable] = offset;

    /// <summary>The finished kernel. Its instructions must be laid out already.</summary>
    public KernelCode Build(string name, Instruction[] instructions)
    {
        int alignment = Math.Max(16, _dynamicShared.Select(variable => variable.Alignment).DefaultIfEmpty(1).Max());
        return new KernelCode
        {
            Name = name,
            Instructions = instructions,
            RegisterBytes = _registerBytes,
            Constants = [.. _constants.Select(pair => new ConstantSlot(pair.Value, pair.Key.LaneBytes,
                pair.Key.Value, pair.Key.Symbol))],
            Specials = [.. _specials.Select(pair => new SpecialSlot(pair.Value, pair.Key.LaneBytes, pair.Key.Name))],
            Offsets = _offsets,
            StaticSharedBytes = _sharedBytes,
            DynamicSharedOffset = (_sharedBytes + alignment - 1) / alignment * alignment,
            LocalBytes = _localBytes,
            SharedCellShift = SharedCellShift,
            GlobalCellShift = GlobalCellShift,
            HasGlobalAtomics = HasGlobalAtomics,
            ProductRegisters = HasWarpgroups ? ProductRegisters.Track(instructions, this) : null,
            GlobalVariables = [.. _globals],
        };
    }

    private static int Allocate(ref int bytes, Variable variable)
    {
        int offset = (bytes + variable.Alignment - 1) / variable.Alignment * variable.Alignment;
        bytes = checked(offset + variable.Bytes);
        return offset;
    }

    private int Constant(ulong value, int laneBytes, Variable? symbol)
    {
        if (_constants.TryGetValue((laneBytes, value, symbol), out int slot))
            return slot;
        slot = laneBytes == 0 ? AllocatePredicate() : AllocateLanes(laneBytes);
        _constants[(laneBytes, value, symbol)] = slot;
        return slot;
    }

    private int AllocateLanes(int laneBytes)
    {
        int slot = _registerBytes;
        _registerBytes += Lanes.Count * laneBytes;
        return slot;
    }

    private int AllocatePredicate()
    {
        if (_predicateChunk < 0 || _predicateCount == ChunkBytes / sizeof(uint))
        {
            _predicateChunk = _registerBytes;
            _registerBytes += ChunkBytes;
            _predicateCount = 0;
        }
        return _predicateChunk + (_predicateCount++ * sizeof(uint));
    }
}
