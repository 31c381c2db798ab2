using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Extended-precision integer arithmetic.</summary>
internal static class CarryDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        context.Statement.Allow("cc", "lo", "hi");
        PtxType type = context.Statement.Type;
        bool isCarryWritten = context.Has("cc");
        int bits = type.Bits;
        CarryOperation operation = context.Name switch
        {
            "add" => (a, b, _, _) => Sum(a, b, 0, bits),
            "addc" => (a, b, _, carry) => Sum(a, b, carry ? 1u : 0, bits),
            "sub" => (a, b, _, _) => Difference(a, b, 0, bits),
            "subc" => (a, b, _, borrow) => Difference(a, b, borrow ? 1u : 0, bits),
            "mad" => (a, b, c, _) => Sum(Product(context, a, b), c, 0, bits),
            "madc" => (a, b, c, carry) => Sum(Product(context, a, b), c, carry ? 1u : 0, bits),
            _ => throw context.Statement.Unknown(),
        };
        bool isMad = context.Name is "mad" or "madc";
        return new CarryInstruction(operation, isCarryWritten, context.LaneDestination(0), context.LaneSource(1, type),
            context.LaneSource(2, type), isMad ? context.LaneSource(3, type) : context.Zero);
    }

    private static ulong Product(DecodeContext context, ulong a, ulong b)
    {
        PtxType type = context.Statement.Type;
        return context.Has("hi") ? Bits.MultiplyHigh(a, b, type.Bits, type.IsSigned)
            : unchecked(a * b) & Bits.Mask(type.Bits);
    }

    private static (ulong Result, bool Carry) Sum(ulong a, ulong b, uint carry, int bits)
    {
        UInt128 sum = (UInt128)a + b + carry;
        return ((ulong)sum & Bits.Mask(bits), sum >> bits != 0);
    }

    private static (ulong Result, bool Borrow) Difference(ulong a, ulong b, uint borrow, int bits)
    {
        UInt128 subtrahend = (UInt128)b + borrow;
        return ((ulong)((UInt128)a - subtrahend) & Bits.Mask(bits), a < subtrahend);
    }
}
