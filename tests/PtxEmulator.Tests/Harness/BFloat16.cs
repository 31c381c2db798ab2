namespace PtxEmulator.Tests;

/// <summary>A bfloat16, given by its bits.</summary>
internal readonly record struct BFloat16(ushort Bits)
{
    public static explicit operator BFloat16(double value) => new((ushort)FloatFormat.F64.Convert(
        BitConverter.DoubleToUInt64Bits(value), FloatFormat.BF16));

    public static explicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);
}
