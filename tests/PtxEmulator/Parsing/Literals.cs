using PtxEmulator.Numerics;

namespace PtxEmulator.Parsing;

/// <summary>Converts literals to the bits of a type.</summary>
internal static class Literals
{
    /// <summary>The bits of a literal for an operand of <paramref name="type"/>.</summary>
    public static ulong ToBits(ImmediateOperand literal, PtxType type)
    {
        if (!literal.Type.IsFloat)
            return type.TotalBits >= 64 ? literal.Bits : literal.Bits & ((1ul << type.TotalBits) - 1);
        bool isBitPattern = literal.Type.Bits == type.TotalBits || !type.IsFloat;
        if (isBitPattern)
            return literal.Bits;
        double value = literal.Type.Bits == 64 ? BitConverter.UInt64BitsToDouble(literal.Bits)
            : BitConverter.UInt32BitsToSingle((uint)literal.Bits);
        return FloatFormat.Of(type).Encode(value, Rounding.NearestEven);
    }
}
