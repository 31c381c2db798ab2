using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler;

/// <summary>Elementwise operations on floats that the first call of a process needs. Each is one method, compiled
/// once at full speed. Of <c>TensorPrimitives</c>, ten generic methods per operation would be compiled, without
/// optimisation at first: that took longer than the operations themselves.</summary>
internal static class SpanMath
{
    /// <summary>Adds floats: <c>destination = a + b</c>. <paramref name="destination"/> may be one of the others, and
    /// may be longer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(b.Length, a.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, a.Length);
        int index = 0;
        for (; index <= a.Length - Vector<float>.Count; index += Vector<float>.Count)
            (new Vector<float>(a[index..]) + new Vector<float>(b[index..])).CopyTo(destination[index..]);
        for (; index < a.Length; index++)
            destination[index] = a[index] + b[index];
    }

    /// <summary>Multiplies floats in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Span<float> values, float factor)
    {
        int index = 0;
        for (; index <= values.Length - Vector<float>.Count; index += Vector<float>.Count)
            (new Vector<float>(values[index..]) * factor).CopyTo(values[index..]);
        for (; index < values.Length; index++)
            values[index] *= factor;
    }

    /// <summary>Subtracts a number from floats in place. Each difference is computed in double precision and rounded
    /// once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Subtract(Span<float> values, double amount)
    {
        int index = 0;
        if (Avx512F.IsSupported)
        {
            Vector512<double> all = Vector512.Create(amount);
            ref float first = ref MemoryMarshal.GetReference(values);
            for (; index <= values.Length - Vector512<double>.Count; index += Vector512<double>.Count)
                Avx512F.ConvertToVector256Single(Avx512F.ConvertToVector512Double(
                    Vector256.LoadUnsafe(ref first, (nuint)index)) - all).StoreUnsafe(ref first, (nuint)index);
        }

        Vector<double> amounts = new(amount);
        for (; index <= values.Length - Vector<float>.Count; index += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(values[index..]), out Vector<double> lower, out Vector<double> upper);
            Vector.Narrow(lower - amounts, upper - amounts).CopyTo(values[index..]);
        }

        for (; index < values.Length; index++)
            values[index] = (float)(values[index] - amount);
    }

    /// <summary>Whether no value is NaN or infinite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreFinite(ReadOnlySpan<float> values)
    {
        // Without the sign, infinity and NaN have the largest bits.
        const int Infinity = 0x7f80_0000;
        const int Magnitude = 0x7fff_ffff;
        ReadOnlySpan<int> bits = MemoryMarshal.Cast<float, int>(values);
        Vector<int> magnitudes = new(Magnitude);
        Vector<int> largest = Vector<int>.Zero;
        Vector<int> other = Vector<int>.Zero;
        int width = Vector<int>.Count;
        int index = 0;
        for (; index <= bits.Length - (2 * width); index += 2 * width)
        {
            largest = Vector.Max(largest, new Vector<int>(bits[index..]) & magnitudes);
            other = Vector.Max(other, new Vector<int>(bits[(index + width)..]) & magnitudes);
        }

        if (Vector.GreaterThanOrEqualAny(Vector.Max(largest, other), new Vector<int>(Infinity)))
            return false;
        for (; index < bits.Length; index++)
            if ((bits[index] & Magnitude) >= Infinity)
                return false;
        return true;
    }
}
