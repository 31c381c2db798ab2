using System.Numerics;
using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Integer arithmetic.</summary>
internal static class IntegerDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        PtxType type = context.Statement.Type;
        if (type.Count > 1)
            throw context.Statement.Unknown();
        int bits = type.Bits;
        bool isSigned = type.IsSigned;
        ulong mask = Bits.Mask(bits);
        switch (context.Name)
        {
            case "add" or "sub":
                context.Statement.Expect(3, 3);
                return AddOrSubtract(context, type);
            case "mul" or "mad":
                return Multiply(context, type);
            case "mul24" or "mad24":
                return Multiply24(context, type);
            case "div" or "rem" or "min" or "max" or "sad":
                context.Statement.Allow();
                return Binary(context, type);
            case "neg" or "abs":
                context.Statement.Allow();
                return Unary(context, type);
            case "popc":
                context.Statement.Allow();
                return context.Scalar(type, (a, _, _) => (ulong)BitOperations.PopCount(a & mask));
            case "clz":
                context.Statement.Allow();
                return context.Scalar(type,
                    (a, _, _) => (ulong)(BitOperations.LeadingZeroCount(a & mask) - (64 - bits)));
            case "brev":
                context.Statement.Allow();
                return context.Scalar(type, (a, _, _) => Bits.Reverse(a, bits));
            case "bfind":
                context.Statement.Allow("shiftamt");
                bool isShift = context.Has("shiftamt");
                return context.Scalar(type, (a, _, _) => Bits.FindLeading(a & mask, bits, isSigned, isShift));
            case "bfe":
                context.Statement.Allow();
                return context.Scalar((a, b, c) => Bits.Extract(a, b, c, bits, isSigned), context.LaneSource(1, type),
                    context.LaneSource(2, PtxType.U32), context.LaneSource(3, PtxType.U32));
            case "bfi":
                context.Statement.Allow();
                return new BitInsertInstruction(bits, context.LaneDestination(0), context.LaneSource(1, type),
                    context.LaneSource(2, type), context.LaneSource(3, PtxType.U32),
                    context.LaneSource(4, PtxType.U32));
            default:
                throw context.Statement.Unknown();
        }
    }

    private static Instruction AddOrSubtract(DecodeContext context, PtxType type)
    {
        context.Statement.Allow("sat");
        bool isAdd = context.Name == "add";
        if (context.Has("sat"))
        {
            if (type is not { IsSigned: true, Bits: 32 })
                throw context.Statement.Unknown();
            return isAdd ? context.Scalar(type, (a, b, _) => Saturate((long)(int)a + (int)b))
                : context.Scalar(type, (a, b, _) => Saturate((long)(int)a - (int)b));
        }
        if (type.Bits == 16)
        {
            return isAdd ? context.Scalar(type, (a, b, _) => (ushort)(a + b))
                : context.Scalar(type, (a, b, _) => (ushort)(a - b));
        }
        (int d, int a, int b) = (context.Destination(0, type), context.Source(1, type), context.Source(2, type));
        return (isAdd, type.Bits) switch
        {
            (true, 32) => new BinaryInstruction<Add<uint>, uint>(d, a, b),
            (true, _) => new BinaryInstruction<Add<ulong>, ulong>(d, a, b),
            (false, 32) => new BinaryInstruction<Subtract<uint>, uint>(d, a, b),
            (false, _) => new BinaryInstruction<Subtract<ulong>, ulong>(d, a, b),
        };
    }

    private static ulong Saturate(long value) => (uint)(int)Math.Clamp(value, int.MinValue, int.MaxValue);

    private static Instruction Multiply(DecodeContext context, PtxType type)
    {
        context.Statement.Allow("lo", "hi", "wide", "sat");
        bool isMad = context.Name == "mad";
        context.Statement.Expect(isMad ? 4 : 3, isMad ? 4 : 3);
        int bits = type.Bits;
        bool isSigned = type.IsSigned;
        ulong mask = Bits.Mask(bits);
        if (context.Has("wide"))
            return MultiplyWide(context, type, isMad);
        if (context.Has("hi"))
        {
            if (context.Has("sat"))
            {
                return context.Scalar(type, (a, b, c)
                    => Saturate((int)Bits.MultiplyHigh(a, b, 32, true) + (long)(int)c));
            }
            return context.Scalar(type,
                (a, b, c) => (Bits.MultiplyHigh(a, b, bits, isSigned) + (isMad ? c : 0)) & mask);
        }
        if (!context.Has("lo") || context.Has("sat"))
            throw context.Statement.Unknown();
        if (bits == 16)
            return context.Scalar(type, (a, b, c) => (ushort)((a * b) + (isMad ? c : 0)));
        (int d, int a, int b) = (context.Destination(0, type), context.Source(1, type), context.Source(2, type));
        if (!isMad)
        {
            return bits == 32 ? new BinaryInstruction<Multiply<uint>, uint>(d, a, b)
                : new BinaryInstruction<Multiply<ulong>, ulong>(d, a, b);
        }
        int c = context.Source(3, type);
        return bits == 32 ? new TernaryInstruction<MultiplyAdd<uint>, uint>(d, a, b, c)
            : new TernaryInstruction<MultiplyAdd<ulong>, ulong>(d, a, b, c);
    }

    private static Instruction MultiplyWide(DecodeContext context, PtxType type, bool isMad)
    {
        var wide = new PtxType(type.Kind, type.Bits * 2);
        if (type.Bits == 32)
        {
            return new WideInstruction(context.Destination(0, wide), context.Source(1, type), context.Source(2, type),
                isMad ? context.Source(3, wide) : null, type.IsSigned);
        }
        if (type.Bits != 16)
            throw context.Statement.Unknown();
        bool isSigned = type.IsSigned;
        return context.Scalar((a, b, c) => (isSigned ? (uint)((short)a * (short)b) : (uint)(ushort)a * (ushort)b) + c,
            context.LaneSource(1, type), context.LaneSource(2, type), isMad ? context.LaneSource(3, wide)
                : context.Zero);
    }

    private static ScalarInstruction Multiply24(DecodeContext context, PtxType type)
    {
        context.Statement.Allow("lo", "hi");
        bool isHigh = context.Has("hi");
        bool isSigned = type.IsSigned;
        bool isMad = context.Name == "mad24";
        return context.Scalar(type, (a, b, c) =>
        {
            long product = isSigned ? Bits.SignExtend(a, 24) * Bits.SignExtend(b, 24)
                : (long)((a & 0xff_ffff) * (b & 0xff_ffff));
            return (uint)((isHigh ? product >> 16 : product) + (isMad ? (long)c : 0));
        });
    }

    private static Instruction Binary(DecodeContext context, PtxType type)
    {
        int bits = type.Bits;
        ulong mask = Bits.Mask(bits);
        bool isMinimum = context.Name == "min";
        switch (context.Name)
        {
            case "div":
                return type.IsSigned ? context.Scalar(type, (a, b, _) => DivideSigned(a, b, bits).Quotient & mask)
                    : context.Scalar(type, (a, b, _) => (b & mask) == 0 ? mask : (a & mask) / (b & mask));
            case "rem":
                return type.IsSigned ? context.Scalar(type, (a, b, _) => DivideSigned(a, b, bits).Remainder & mask)
                    : context.Scalar(type, (a, b, _) => (b & mask) == 0 ? a & mask : (a & mask) % (b & mask));
            case "sad":
                return type.IsSigned
                    ? context.Scalar(type, (a, b, c) => (Bits.SignExtend(a, bits) < Bits.SignExtend(b, bits)
                        ? b - a : a - b) + c & mask)
                    : context.Scalar(type, (a, b, c) => (((a & mask) < (b & mask) ? b - a : a - b) + c) & mask);
        }
        if (bits == 16)
        {
            return type.IsSigned
                ? context.Scalar(type, (a, b, _) => (short)a < (short)b == isMinimum ? a : b)
                : context.Scalar(type, (a, b, _) => (ushort)a < (ushort)b == isMinimum ? a : b);
        }
        (int d, int x, int y) = (context.Destination(0, type), context.Source(1, type), context.Source(2, type));
        return (isMinimum, type.IsSigned, bits) switch
        {
            (true, true, 32) => new BinaryInstruction<Minimum<int>, int>(d, x, y),
            (true, true, _) => new BinaryInstruction<Minimum<long>, long>(d, x, y),
            (true, false, 32) => new BinaryInstruction<Minimum<uint>, uint>(d, x, y),
            (true, false, _) => new BinaryInstruction<Minimum<ulong>, ulong>(d, x, y),
            (false, true, 32) => new BinaryInstruction<Maximum<int>, int>(d, x, y),
            (false, true, _) => new BinaryInstruction<Maximum<long>, long>(d, x, y),
            (false, false, 32) => new BinaryInstruction<Maximum<uint>, uint>(d, x, y),
            (false, false, _) => new BinaryInstruction<Maximum<ulong>, ulong>(d, x, y),
        };
    }

    /// <summary>Division by zero returns all ones, as on the hardware; the smallest number divided by −1
    /// wraps.</summary>
    private static (ulong Quotient, ulong Remainder) DivideSigned(ulong a, ulong b, int bits)
    {
        long dividend = Bits.SignExtend(a, bits);
        long divisor = Bits.SignExtend(b, bits);
        return divisor switch
        {
            0 => (ulong.MaxValue, a),
            -1 => ((ulong)-dividend, 0),
            _ => ((ulong)(dividend / divisor), (ulong)(dividend % divisor)),
        };
    }

    private static Instruction Unary(DecodeContext context, PtxType type)
    {
        bool isNegation = context.Name == "neg";
        if (type.Bits == 16)
        {
            return context.Scalar(type, (a, _, _) => (ushort)(isNegation || (short)a < 0 ? 0 - a : a));
        }
        (int d, int x) = (context.Destination(0, type), context.Source(1, type));
        return (isNegation, type.Bits) switch
        {
            (true, 32) => new UnaryInstruction<NegateInteger<int>, int>(d, x),
            (true, _) => new UnaryInstruction<NegateInteger<long>, long>(d, x),
            (false, 32) => new UnaryInstruction<AbsoluteInteger<int>, int>(d, x),
            (false, _) => new UnaryInstruction<AbsoluteInteger<long>, long>(d, x),
        };
    }
}
