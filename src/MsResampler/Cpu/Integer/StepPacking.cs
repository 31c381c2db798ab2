using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu.Integer;

/// <summary>Stores whole numbers in floats as the steps of a panel, see <see cref="IntegerKernel"/>.</summary>
internal static unsafe class StepPacking<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private const float ByteRange = 256;
    private const float ShortRange = 65_536;

    /// <summary>Stores steps of four 8-bit integers, the first three of which are not negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFourBytes(byte* target, TVector a, TVector b, TVector c, TVector d)
        => TSimd.StorePairs((int*)target, Pair(a, b), Pair(c, d));

    /// <summary>Stores steps of two 8-bit integers, the first of which is not negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreTwoBytes(byte* target, TVector a, TVector b)
        => TSimd.StoreShorts((short*)target, Pair(a, b));

    /// <summary>Stores steps of two 16-bit integers, the first of which is not negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreTwoShorts(byte* target, TVector a, TVector b) => TSimd.StorePairs((int*)target, a, b);

    /// <summary>The unsigned number with the same 8 bits as a signed one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector UnsignedByte(TVector value)
        => TSimd.SelectNegative(value, TSimd.Add(value, TSimd.Create(ByteRange)), value);

    /// <summary>The unsigned number with the same 16 bits as a signed one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector UnsignedShort(TVector value)
        => TSimd.SelectNegative(value, TSimd.Add(value, TSimd.Create(ShortRange)), value);

    // At most 255 + 256·127, which float32 represents exactly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Pair(TVector low, TVector high)
        => TSimd.MultiplyAdd(high, TSimd.Create(ByteRange), low);
}
