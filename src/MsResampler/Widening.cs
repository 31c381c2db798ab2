using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler;

/// <summary>Converts 16-bit floats to float32, which holds each of them exactly, in any order and with vectors of any
/// width. A NaN keeps its bits; the hardware's conversions set the quiet bit of a signalling NaN.</summary>
internal static unsafe class Widening
{
    /// <summary>Converts float16.</summary>
    /// <param name="source">The bits of the numbers.</param>
    /// <param name="destination">Receives as many floats. It must not overlap the source.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OfFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
        => Run<Float16>(source, destination);

    /// <summary>Converts bfloat16.</summary>
    /// <inheritdoc cref="OfFloat16"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OfBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
        => Run<BFloat16>(source, destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run<TType>(ReadOnlySpan<ushort> source, Span<float> destination)
        where TType : struct, IType
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, source.Length);
        int count = source.Length;
        int index = 0;
        fixed (ushort* from = source)
        fixed (float* to = destination)
        {
            if (Avx512F.IsSupported)
            {
                for (; index <= count - Vector512<uint>.Count; index += Vector512<uint>.Count)
                {
                    Vector512<uint> bits = Avx512F.ConvertToVector512UInt32(Vector256.Load(from + index));
                    TType.Widen(bits).Store((uint*)to + index);
                }
            }

            for (; index <= count - Vector<ushort>.Count; index += Vector<ushort>.Count)
                WidenVector<TType>(from + index, (uint*)to + index);
        }

        if (index == count)
            return;
        Span<ushort> lastSource = stackalloc ushort[Vector<ushort>.Count];
        Span<uint> lastDestination = stackalloc uint[Vector<ushort>.Count];
        source[index..].CopyTo(lastSource);
        fixed (ushort* from = lastSource)
        fixed (uint* to = lastDestination)
            WidenVector<TType>(from, to);
        MemoryMarshal.Cast<uint, float>(lastDestination)[..(count - index)].CopyTo(destination[index..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WidenVector<TType>(ushort* source, uint* destination)
        where TType : struct, IType
    {
        Vector.Widen(Vector.Load(source), out Vector<uint> lower, out Vector<uint> upper);
        TType.Widen(lower).Store(destination);
        TType.Widen(upper).Store(destination + Vector<uint>.Count);
    }

    private interface IType
    {
        /// <summary>The bits of the float32 with the value of the 16-bit float that each lane holds.</summary>
        static abstract Vector<uint> Widen(Vector<uint> bits);

        /// <inheritdoc cref="Widen(Vector{uint})"/>
        static abstract Vector512<uint> Widen(Vector512<uint> bits);
    }

    private readonly struct BFloat16 : IType
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector<uint> Widen(Vector<uint> bits) => bits << 16;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<uint> Widen(Vector512<uint> bits) => bits << 16;
    }

    private readonly struct Float16 : IType
    {
        // The exponent bias is 15 in float16 and 127 in float32.
        private const uint BiasDifference = (127 - 15) << 23;

        private const uint Magnitude = 0x7fff;
        private const uint Infinity = 0x7c00;
        private const uint FirstNormal = 0x0400;
        private const float SmallestSubnormal = 1f / (1 << 24);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector<uint> Widen(Vector<uint> bits)
        {
            Vector<uint> magnitude = bits & new Vector<uint>(Magnitude);
            Vector<uint> sign = (bits ^ magnitude) << 16;
            Vector<uint> bias = new(BiasDifference);
            // An exponent of all ones (31) must become all ones again (255 = 31 + 2·112): the difference is added
            // twice.
            Vector<uint> special = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(Infinity)) & bias;
            Vector<uint> normal = (magnitude << 13) + bias + special;
            // Subnormal float16 values are multiples of 2^-24, which are normal in float32.
            Vector<uint> subnormal = Vector.AsVectorUInt32(
                Vector.ConvertToSingle(Vector.AsVectorInt32(magnitude)) * SmallestSubnormal);
            return sign | Vector.ConditionalSelect(
                Vector.LessThan(magnitude, new Vector<uint>(FirstNormal)), subnormal, normal);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<uint> Widen(Vector512<uint> bits)
        {
            Vector512<uint> magnitude = bits & Vector512.Create(Magnitude);
            Vector512<uint> sign = (bits ^ magnitude) << 16;
            Vector512<uint> bias = Vector512.Create(BiasDifference);
            Vector512<uint> special = Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(Infinity)) & bias;
            Vector512<uint> normal = (magnitude << 13) + bias + special;
            Vector512<uint> subnormal = (Vector512.ConvertToSingle(magnitude.AsInt32()) * SmallestSubnormal).AsUInt32();
            return sign | Vector512.ConditionalSelect(
                Vector512.LessThan(magnitude, Vector512.Create(FirstNormal)), subnormal, normal);
        }
    }
}
