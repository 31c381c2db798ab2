using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Logic and shifts.</summary>
internal static class LogicDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        PtxType type = context.Statement.Type;
        if (type.IsPredicate)
            return Predicates(context);
        ulong mask = Bits.Mask(type.TotalBits);
        switch (context.Name)
        {
            case "and" or "or" or "xor":
                context.Statement.Allow();
                return Binary(context, type);
            case "not":
                context.Statement.Allow();
                return type.LaneBytes == sizeof(ulong)
                    ? new UnaryInstruction<Not<ulong>, ulong>(context.Destination(0, type), context.Source(1, type))
                    : context.Scalar(type, (a, _, _) => ~a & mask);
            case "cnot":
                context.Statement.Allow();
                return context.Scalar(type, (a, _, _) => (a & mask) == 0 ? 1ul : 0);
            case "shl" or "shr":
                context.Statement.Allow();
                return Shift(context, type);
            case "shf":
                return FunnelShift(context);
            case "prmt":
                return Permute(context);
            case "lop3":
                return Logic(context);
            default:
                throw context.Statement.Unknown();
        }
    }

    private static PredicateInstruction Predicates(DecodeContext context)
    {
        Func<uint, uint, uint> operation = context.Name switch
        {
            "and" => (a, b) => a & b,
            "or" => (a, b) => a | b,
            "xor" => (a, b) => a ^ b,
            "not" => (a, _) => ~a,
            _ => throw context.Statement.Unknown(),
        };
        (int a, uint aFlip) = context.Predicate(1);
        (int b, uint bFlip) = context.OperandCount > 2 ? context.Predicate(2) : (context.Builder.True, 0);
        return new PredicateInstruction(operation, context.PredicateDestination(context.Operand(0)), a, aFlip, b,
            bFlip);
    }

    private static Instruction Binary(DecodeContext context, PtxType type)
    {
        context.Statement.Expect(3, 3);
        (int d, int a, int b) = (context.Destination(0, type), context.Source(1, type), context.Source(2, type));
        return (context.Name, type.LaneBytes) switch
        {
            ("and", sizeof(uint)) => new BinaryInstruction<And<uint>, uint>(d, a, b),
            ("and", _) => new BinaryInstruction<And<ulong>, ulong>(d, a, b),
            ("or", sizeof(uint)) => new BinaryInstruction<Or<uint>, uint>(d, a, b),
            ("or", _) => new BinaryInstruction<Or<ulong>, ulong>(d, a, b),
            (_, sizeof(uint)) => new BinaryInstruction<Xor<uint>, uint>(d, a, b),
            _ => new BinaryInstruction<Xor<ulong>, ulong>(d, a, b),
        };
    }

    private static Instruction Shift(DecodeContext context, PtxType type)
    {
        bool isLeft = context.Name == "shl";
        int bits = type.Bits;
        ulong mask = Bits.Mask(bits);
        if (context.Operand(2) is ImmediateOperand literal && bits >= 32)
        {
            ShiftKind kind = isLeft ? ShiftKind.Left : type.IsSigned ? ShiftKind.Arithmetic : ShiftKind.Logical;
            int count = (int)Math.Min((uint)literal.Bits, 64);
            (int d, int a) = (context.Destination(0, type), context.Source(1, type));
            return bits == 32 ? new ShiftInstruction<uint>(d, a, count, kind)
                : new ShiftInstruction<ulong>(d, a, count, kind);
        }
        LaneOperation operation = (isLeft, type.IsSigned) switch
        {
            (true, _) => (a, count, _) => (uint)count >= bits ? 0 : (a << (int)count) & mask,
            (_, true) => (a, count, _) => (ulong)(Bits.SignExtend(a, bits)
                >> (int)Math.Min((uint)count, (uint)bits - 1)) & mask,
            _ => (a, count, _) => (uint)count >= bits ? 0 : (a & mask) >> (int)count,
        };
        return context.Scalar(operation, context.LaneSource(1, type), context.LaneSource(2, PtxType.U32));
    }

    private static ScalarInstruction FunnelShift(DecodeContext context)
    {
        context.Statement.Allow("l", "r", "wrap", "clamp");
        bool isLeft = context.Has("l");
        bool isWrapped = context.Has("wrap");
        return context.Scalar(PtxType.B32, (a, b, c) =>
        {
            int count = isWrapped ? (int)(c & 31) : (int)Math.Min(c, 32);
            ulong joined = (b << 32) | a;
            return (uint)(isLeft ? joined << count >> 32 : joined >> count);
        });
    }

    private static ScalarInstruction Permute(DecodeContext context)
    {
        context.Statement.Allow("f4e", "b4e", "rc8", "ecl", "ecr", "rc16");
        string mode = context.Statement.Parts[^1];
        return context.Scalar(PtxType.B32, (a, b, c) =>
        {
            uint choice = (uint)c & 3;
            uint selector = mode switch
            {
                "f4e" => 0x3210u + (choice * 0x1111),
                "b4e" => new[] { 0x5670u, 0x6701u, 0x7012u, 0x0123u }[choice],
                "rc8" => choice * 0x1111,
                "ecl" => new[] { 0x3210u, 0x3211u, 0x3222u, 0x3333u }[choice],
                "ecr" => new[] { 0x0000u, 0x1110u, 0x2210u, 0x3210u }[choice],
                "rc16" => (choice & 1) == 0 ? 0x1010u : 0x3232u,
                _ => (uint)c,
            };
            return Bits.Permute((uint)a, (uint)b, selector);
        });
    }

    private static ScalarInstruction Logic(DecodeContext context)
    {
        context.Statement.Allow();
        context.Statement.Expect(5, 5);
        uint table = (uint)context.Literal(4);
        return context.Scalar((a, b, c) => Bits.Logic((uint)a, (uint)b, (uint)c, table),
            context.LaneSource(1, PtxType.B32), context.LaneSource(2, PtxType.B32),
            context.LaneSource(3, PtxType.B32));
    }
}
