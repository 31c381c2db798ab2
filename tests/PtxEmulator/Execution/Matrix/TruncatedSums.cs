using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The sums of tensor cores. Products are exact; the terms of a group and the sum so far are aligned to the
/// largest of them and added with one bit more than float32 has, without the bits below; the result is rounded toward
/// zero.</summary>
/// <remarks>This is what Fasi, Higham, Mikaitis and Pranesh measured on an A100 (Numerical behavior of NVIDIA tensor
/// cores, PeerJ Computer Science 7:e330, 2021): groups of 8 products of 16 bits or 4 of tf32, and one extra bit. Newer
/// GPUs add larger groups and keep more bits, so they err less. For Hopper the group is 16 products of 16 bits, which
/// is the depth of its instruction; that the extra bit is one as on an A100 is an assumption on the side of the larger
/// error. NVIDIA documents neither.</remarks>
internal static unsafe class TruncatedSums
{
    /// <summary>The number of products of 16 bits that Hopper adds at once.</summary>
    public const int HopperGroup = 16;

    private const int ExtraBits = 1;
    private const int MantissaBits = 23;
    private const ulong ExponentMask = 0x7ff0_0000_0000_0000;
    private const int ExponentShift = 52;
    private const ulong ExponentBias = 1023;

    /// <summary>Adds the products of a row of A with the eight columns of B to eight sums.</summary>
    /// <param name="sum">The sums.</param>
    /// <param name="a">The row.</param>
    /// <param name="b">The rows of B.</param>
    /// <param name="depth">The number of products of each sum.</param>
    /// <param name="group">The number of products that are added at once.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector256<float> Add(Vector256<float> sum, float* a, Vector512<double>* b, int depth,
        int group)
    {
        Vector512<double>* terms = stackalloc Vector512<double>[group + 1];
        for (int first = 0; first < depth; first += group)
        {
            int count = Math.Min(group, depth - first);
            terms[count] = Widen(sum);
            Vector512<double> largest = Vector512.Abs(terms[count]);
            for (int k = 0; k < count; k++)
            {
                terms[k] = Vector512.Create((double)a[first + k]) * b[first + k];
                largest = Vector512.Max(largest, Vector512.Abs(terms[k]));
            }
            sum = Add(terms, count + 1, largest);
        }
        return sum;
    }

    private static Vector256<float> Add(Vector512<double>* terms, int count, Vector512<double> largest)
    {
        // The unit of the last kept bit is a power of two, so scaling is exact. Where all terms are 0, any unit will
        // do; infinities and NaN pass through.
        Vector512<ulong> exponent = largest.AsUInt64() & Vector512.Create(ExponentMask);
        exponent = Vector512.Max(exponent, Vector512.Create(ExponentBias - 400 << ExponentShift));
        Vector512<ulong> shift = Vector512.Create((ulong)(MantissaBits + ExtraBits) << ExponentShift);
        Vector512<double> unit = (exponent - shift).AsDouble();
        Vector512<double> scale = (Vector512.Create(2 * ExponentBias << ExponentShift) - (exponent - shift)).AsDouble();
        Vector512<double> total = Vector512<double>.Zero;
        for (int term = 0; term < count; term++)
            total += Vector512.Truncate(terms[term] * scale);
        total *= unit;
        // Narrowing rounds to the nearest float. One that is too large is decremented, which lowers its magnitude.
        Vector256<float> nearest = Vector256.Narrow(total.GetLower(), total.GetUpper());
        Vector512<long> isTooLarge
            = Vector512.GreaterThan(Vector512.Abs(Widen(nearest)), Vector512.Abs(total)).AsInt64();
        return (nearest.AsInt32() + Vector256.Narrow(isTooLarge.GetLower(), isTooLarge.GetUpper())).AsSingle();
    }

    public static Vector512<double> Widen(Vector256<float> values)
    {
        (Vector256<double> lower, Vector256<double> upper) = Vector256.Widen(values);
        return Vector512.Create(lower, upper);
    }
}
