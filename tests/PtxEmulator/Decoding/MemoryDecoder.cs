using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Loads, stores and atomics.</summary>
internal static class MemoryDecoder
{
    private static readonly string[] s_hints =
    [
        "weak", "relaxed", "acquire", "release", "acq_rel", "volatile", "cta", "cluster", "gpu", "sys", "nc", "ca",
        "cg", "cs", "lu", "cv", "wb", "wt", "v2", "v4", "global", "shared", "local", "const", "param", "shared::cta",
        "param::entry", "param::func", "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
        "L1::evict_last", "L1::no_allocate", "L2::64B", "L2::128B", "L2::256B",
    ];

    public static Instruction Decode(DecodeContext context) => context.Name switch
    {
        "ld" or "ldu" => Load(context),
        "st" => Store(context),
        "atom" or "red" => Atomic(context),
        _ => new NoInstruction(),
    };

    private static LoadInstruction Load(DecodeContext context)
    {
        context.Statement.Allow(s_hints);
        context.Statement.Expect(2, 2);
        PtxType type = context.Statement.Type;
        (int Slot, int LaneBytes)[] destinations
            = [.. context.Elements(0).Select(context.LaneDestination).Select(slot => (slot.Slot, slot.LaneBytes))];
        RequireVector(context, destinations);
        int bytes = type.Bytes * destinations.Length;
        return new LoadInstruction
        {
            Space = SpaceOf(context, 1, bytes),
            Address = context.Address(1),
            AccessBytes = bytes,
            ElementBytes = type.Bytes,
            IsSigned = type.IsSigned,
            IsSynchronizing = IsSynchronizing(context.Statement),
            Destinations = destinations,
        };
    }

    private static StoreInstruction Store(DecodeContext context)
    {
        context.Statement.Allow(s_hints);
        context.Statement.Expect(2, 2);
        PtxType type = context.Statement.Type;
        (int Slot, int LaneBytes)[] sources = [.. context.Elements(1)
            .Select(operand => context.LaneSource(operand, type)).Select(slot => (slot.Slot, slot.LaneBytes))];
        RequireVector(context, sources);
        int bytes = type.Bytes * sources.Length;
        return new StoreInstruction
        {
            Space = SpaceOf(context, 0, bytes),
            Address = context.Address(0),
            AccessBytes = bytes,
            ElementBytes = type.Bytes,
            IsSynchronizing = IsSynchronizing(context.Statement),
            Sources = sources,
        };
    }

    /// <summary>Checks that there is one register per element of the vector and that each is wide enough.</summary>
    private static void RequireVector(DecodeContext context, (int Slot, int LaneBytes)[] registers)
    {
        int expected = context.Has("v4") ? 4 : context.Has("v2") ? 2 : 1;
        if (registers.Length != expected)
            throw context.Statement.Error($"expected {expected} registers, found {registers.Length}");
        int bytes = context.Statement.Type.Bytes;
        if (Array.Exists(registers, register => register.Slot >= 0 && register.LaneBytes < bytes))
            throw context.Statement.Error($"a register is narrower than the {bytes} bytes of an element");
    }

    private static bool IsSynchronizing(Statement statement)
        => statement.Has("volatile") || statement.Has("relaxed") || statement.Has("acquire")
            || statement.Has("release");

    /// <summary>The state space that the access names or that its address operand implies.</summary>
    private static StateSpace SpaceOf(DecodeContext context, int addressIndex, int byteCount)
    {
        Statement statement = context.Statement;
        StateSpace space = StateSpace.Generic;
        foreach (string part in statement.Parts)
        {
            space = part switch
            {
                "global" => StateSpace.Global,
                "const" => StateSpace.Constant,
                "shared" or "shared::cta" => StateSpace.Shared,
                "local" => StateSpace.Local,
                "param" or "param::entry" or "param::func" => StateSpace.Parameter,
                _ => space,
            };
        }
        // Parameters of functions are in local memory.
        if (space == StateSpace.Parameter
            && context.Operand(addressIndex) is AddressOperand { Base: VariableOperand parameter })
        {
            space = parameter.Variable.Space;
        }
        if (space is StateSpace.Shared or StateSpace.Generic)
            context.Builder.NoteSharedAccess(byteCount);
        if (space is StateSpace.Global or StateSpace.Generic)
            context.Builder.NoteGlobalAccess(byteCount);
        return space;
    }

    private static AtomicInstruction Atomic(DecodeContext context)
    {
        Statement statement = context.Statement;
        string name = statement.Parts.Skip(1).FirstOrDefault(part
            => part is "add" or "min" or "max" or "and" or "or" or "xor" or "exch" or "cas" or "inc" or "dec")
            ?? throw statement.Unknown();
        statement.Allow([.. s_hints, name, "noftz"]);
        PtxType type = statement.Type;
        bool hasResult = context.Name == "atom";
        int first = hasResult ? 1 : 0;
        int operands = first + (name == "cas" ? 3 : 2);
        statement.Expect(operands, operands);
        if (!hasResult && name is "cas" or "exch")
            throw statement.Unknown();
        StateSpace space = SpaceOf(context, first, type.Bytes);
        context.Builder.HasGlobalAtomics |= space != StateSpace.Shared;
        return new AtomicInstruction(Operation(statement, name, type))
        {
            Space = space,
            Address = context.Address(first),
            AccessBytes = type.Bytes,
            IsSynchronizing = true,
            Destination = hasResult ? context.LaneDestination(0) : new LaneSlot(-1, sizeof(uint)),
            B = context.LaneSource(first + 1, type),
            C = name == "cas" ? context.LaneSource(first + 2, type) : context.Zero,
            Flops = name == "add" && type.IsFloat ? type.Count : 0,
        };
    }

    /// <summary>The value that an atomic stores, computed from the old value and the operands.</summary>
    private static LaneOperation Operation(Statement statement, string name, PtxType type)
    {
        int bits = type.TotalBits;
        ulong mask = Bits.Mask(bits);
        switch (name)
        {
            case "exch":
                return (_, b, _) => b;
            case "cas":
                return (old, b, c) => old == (b & mask) ? c : old;
            case "and":
                return (old, b, _) => old & b;
            case "or":
                return (old, b, _) => old | b;
            case "xor":
                return (old, b, _) => old ^ b;
            case "inc":
                return (old, b, _) => old >= b ? 0 : old + 1;
            case "dec":
                return (old, b, _) => old == 0 || old > b ? b : old - 1;
        }
        if (!type.IsFloat)
        {
            return (name, type.IsSigned) switch
            {
                ("add", _) => (old, b, _) => (old + b) & mask,
                ("min", true) => (old, b, _) => Bits.SignExtend(b, bits) < Bits.SignExtend(old, bits) ? b : old,
                ("max", true) => (old, b, _) => Bits.SignExtend(b, bits) > Bits.SignExtend(old, bits) ? b : old,
                ("min", _) => (old, b, _) => Math.Min(old, b),
                _ => (old, b, _) => Math.Max(old, b),
            };
        }
        if (name != "add")
            throw statement.Unknown();
        var format = FloatFormat.Of(type);
        LaneOperation add = (old, b, _) =>
        {
            (double sum, double residual) = ExactMath.Add(format.Decode(old), format.Decode(b));
            return format.Encode(sum, Rounding.NearestEven, residual);
        };
        return type.Count == 2 ? HalfDecoder.Packed(add) : add;
    }
}
