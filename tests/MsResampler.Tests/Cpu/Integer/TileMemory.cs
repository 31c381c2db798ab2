using Iced.Intel;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>Follows the addresses through the instructions of a tile and checks every access to memory. It knows only
/// the few instructions that tiles use; every other use of a register or of memory is an error.</summary>
internal sealed unsafe class TileMemory
{
    private const int VectorBytes = 64;

    private readonly Dictionary<Register, Value> _values = [];
    private readonly Dictionary<long, Register> _saved = [];
    private readonly Stack<Register> _pushed = [];
    private readonly List<Register> _restored = [];
    private readonly HashSet<string> _reads = [];
    private readonly List<long> _sumOffsets = [];
    private readonly int _stepBytes;
    private long _frameBytes;

    private TileMemory(TileCode code)
    {
        _stepBytes = code.VectorCount * VectorBytes;
        _values[code.Argument] = new(Kind.Argument);
        foreach (Instruction instruction in code.Instructions)
        {
            if (!Follow(instruction))
                throw new InvalidOperationException($"{code}: unexpected instruction '{instruction}'");
        }
    }

    /// <summary>What a general register holds.</summary>
    private enum Kind
    {
        Unknown,
        Argument,
        StepCount,
        RowLength,
        Index,
        Row,
        RowEnd,
        Panel,
        Sums,
    }

    /// <summary>The accesses outside the save area, once each: rows as <c>row 0</c>, vectors of a step of the panel as
    /// <c>panel 64</c>.</summary>
    public IReadOnlySet<string> Reads => _reads;

    /// <summary>The offsets in bytes of the vectors that are stored to the sums, in order.</summary>
    public IReadOnlyList<long> SumOffsets => _sumOffsets;

    /// <summary>The registers that are restored at the end from where they were saved at the start.</summary>
    public IReadOnlyList<Register> Restored => _restored;

    /// <summary>Whether the stack pointer has its first value again.</summary>
    public bool IsStackBalanced => _frameBytes == 0 && _pushed.Count == 0;

    /// <exception cref="InvalidOperationException">An instruction uses memory or registers in another way.</exception>
    public static TileMemory Follow(TileCode code) => new(code);

    private bool Follow(in Instruction instruction) => instruction.Mnemonic switch
    {
        Mnemonic.Endbr64 or Mnemonic.Nop or Mnemonic.Vzeroupper or Mnemonic.Ret => true,
        Mnemonic.Jne => instruction.NearBranchTarget < instruction.IP,
        Mnemonic.Vpxord or Mnemonic.Vpdpbusd or Mnemonic.Vpdpwssd => instruction.Op2Kind == OpKind.Register,
        Mnemonic.Push => Push(instruction.Op0Register),
        Mnemonic.Pop => Pop(instruction.Op0Register),
        Mnemonic.Mov => Move(instruction),
        Mnemonic.Lea => PointBehindRow(instruction),
        Mnemonic.Imul => IsStepStride(instruction)
            && Replace(instruction.Op0Register, Kind.StepCount, Kind.RowLength),
        Mnemonic.Neg => Replace(instruction.Op0Register, Kind.RowLength, Kind.Index),
        Mnemonic.Add or Mnemonic.Sub => Add(instruction),
        Mnemonic.Vpbroadcastd => ReadRow(instruction),
        Mnemonic.Vmovdqu32 => instruction.Op0Kind == OpKind.Memory ? StoreSums(instruction) : ReadPanel(instruction),
        Mnemonic.Vmovups => instruction.Op0Kind == OpKind.Memory ? Save(instruction) : Restore(instruction),
        Mnemonic.Prefetcht0 => Is(instruction.MemoryBase, Kind.Panel),
        _ => false,
    };

    private bool Is(Register register, Kind kind)
        => _values.TryGetValue(register, out Value value) && value.Kind == kind;

    private bool Replace(Register register, Kind from, Kind to)
    {
        if (!Is(register, from))
            return false;
        _values[register] = _values[register] with { Kind = to };
        return true;
    }

    private bool Push(Register register)
    {
        _pushed.Push(register);
        return _frameBytes == 0;
    }

    private bool Pop(Register register)
    {
        _restored.Add(register);
        _values.Remove(register);
        return _frameBytes == 0 && _pushed.TryPop(out Register pushed) && pushed == register;
    }

    private bool Move(in Instruction instruction)
    {
        Register target = instruction.Op0Register;
        if (instruction.Op1Kind == OpKind.Register)
        {
            _values[target] = _values.GetValueOrDefault(instruction.Op1Register);
            return Is(target, Kind.Argument);
        }

        if (instruction.Op1Kind != OpKind.Memory || instruction.MemoryIndex != Register.None
            || !Is(instruction.MemoryBase, Kind.Argument))
            return false;
        _values[target] = Field((long)instruction.MemoryDisplacement64);
        return _values[target].Kind != Kind.Unknown;
    }

    /// <summary>The field of the argument at an offset.</summary>
    private static Value Field(long offset)
    {
        IntegerTile tile;
        void* field = (byte*)&tile + offset;
        if (field == &tile.StepCount)
            return new(Kind.StepCount);
        if (field == &tile.Panel)
            return new(Kind.Panel);
        if (field == &tile.Sums)
            return new(Kind.Sums);
        int row = (int)(offset / sizeof(int*));
        return row is >= 0 and < IntegerTile.RowCount && field == &tile.Row0 + row ? new(Kind.Row, row) : default;
    }

    private bool PointBehindRow(in Instruction instruction)
        => instruction.Op0Register == instruction.MemoryBase && Is(instruction.MemoryIndex, Kind.RowLength)
            && instruction.MemoryIndexScale == sizeof(int) && instruction.MemoryDisplacement64 == 0
            && Replace(instruction.Op0Register, Kind.Row, Kind.RowEnd);

    /// <summary>Whether the second operand is the distance of the steps of a row.</summary>
    private bool IsStepStride(in Instruction instruction)
    {
        IntegerTile tile;
        return instruction.Op1Kind == OpKind.Memory && instruction.MemoryIndex == Register.None
            && Is(instruction.MemoryBase, Kind.Argument)
            && (byte*)&tile + (long)instruction.MemoryDisplacement64 == &tile.StepStride;
    }

    /// <summary>The only additions are a step of the panel, a step of the rows, and the save area.</summary>
    private bool Add(in Instruction instruction)
    {
        if (instruction.Op1Kind == OpKind.Memory)
            return instruction.Mnemonic == Mnemonic.Add && Is(instruction.Op0Register, Kind.Index)
                && IsStepStride(instruction);
        long value = (long)instruction.GetImmediate(1);
        if (instruction.Op0Register == Register.RSP)
        {
            _frameBytes += instruction.Mnemonic == Mnemonic.Sub ? value : -value;
            return _frameBytes >= 0;
        }

        return instruction.Mnemonic == Mnemonic.Add && value == _stepBytes && Is(instruction.Op0Register, Kind.Panel);
    }

    private bool ReadRow(in Instruction instruction)
    {
        if (!Is(instruction.MemoryBase, Kind.RowEnd) || !Is(instruction.MemoryIndex, Kind.Index)
            || instruction.MemoryIndexScale != sizeof(int) || instruction.MemoryDisplacement64 != 0
            || instruction.Op1Kind != OpKind.Memory)
            return false;
        _reads.Add($"row {_values[instruction.MemoryBase].Row}");
        return true;
    }

    private bool ReadPanel(in Instruction instruction)
    {
        _reads.Add($"panel {instruction.MemoryDisplacement64}");
        return Is(instruction.MemoryBase, Kind.Panel) && instruction.MemoryIndex == Register.None
            && instruction.MemoryDisplacement64 < (ulong)_stepBytes;
    }

    private bool StoreSums(in Instruction instruction)
    {
        _sumOffsets.Add((long)instruction.MemoryDisplacement64);
        return Is(instruction.MemoryBase, Kind.Sums) && instruction.MemoryIndex == Register.None;
    }

    private bool Save(in Instruction instruction)
    {
        long offset = (long)instruction.MemoryDisplacement64;
        return instruction.MemoryBase == Register.RSP && instruction.MemoryIndex == Register.None && offset >= 0
            && offset + 16 <= _frameBytes && instruction.Op1Register.IsXMM()
            && _saved.TryAdd(offset, instruction.Op1Register);
    }

    private bool Restore(in Instruction instruction)
    {
        Register register = instruction.Op0Register;
        _restored.Add(register.GetFullRegister());
        return instruction.MemoryBase == Register.RSP && instruction.MemoryIndex == Register.None
            && _saved.Remove((long)instruction.MemoryDisplacement64, out Register saved) && saved == register;
    }

    private readonly record struct Value(Kind Kind, int Row = 0);
}
