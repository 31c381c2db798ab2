namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>The results of scalar instructions, computed in double precision, and the errors that the PTX ISA
/// allows.</summary>
internal static class ScalarExpectations
{
    /// <summary>The ISA guarantees 2⁻²² or better for ex2, lg2, rcp and rsqrt.</summary>
    private const double ApproximationError = 1.0 / (1 << 22);

    /// <summary>Zeros, subnormal numbers, the limits of the normal numbers, NaN, and values in between.</summary>
    public static float[] Values { get; } =
    [
        0, -0f, 1e-40f, -1e-40f, float.Epsilon, 1.17549435e-38f, 1, -1, 0.5f, 0.75f, 1.5f, 2, 3, -7, 0.1f, 10.3f,
        -10.7f, 100, 126.5f, -125.9f, -127.5f, 127.9f, 128.5f, -200, 1e-30f, 1e30f, 1e38f, -1e38f, float.MaxValue,
        float.PositiveInfinity, float.NegativeInfinity, float.NaN,
    ];

    public static void CheckExp2(float[] results) => Check(results, x => Math.Pow(2, x), ApproximationError);

    public static void CheckLog2(float[] results)
    {
        // Relative to at least 1: between ½ and 2 the error is absolute.
        Check(results, Math.Log2, ApproximationError, least: 1);
    }

    public static void CheckReciprocal(float[] results) => Check(results, x => 1 / x, ApproximationError);

    public static void CheckReciprocalSqrt(float[] results) =>
        Check(results, x => x == 0 ? 1 / x : 1 / Math.Sqrt(x), ApproximationError);

    /// <summary>Whether the bits are the float16 nearest to a value.</summary>
    public static bool IsF16(uint bits, float value)
    {
        Half expected = (Half)value;
        return Half.IsNaN(expected) ? Half.IsNaN(BitConverter.UInt16BitsToHalf((ushort)bits))
            : bits == BitConverter.HalfToUInt16Bits(expected);
    }

    /// <summary>Whether the bits are the bfloat16 nearest to a value, ties to even.</summary>
    public static bool IsBF16(uint bits, float value)
    {
        if (float.IsNaN(value))
            return bits == 0x7FFF;
        uint below = BitConverter.SingleToUInt32Bits(value) >> 16;
        return bits == Nearest(value, below, below + 1, 16, chooseUpper: (below & 1) == 1);
    }

    /// <summary>Whether the bits are the TF32 nearest to a value, ties away from zero.</summary>
    public static bool IsTF32(uint bits, float value)
    {
        if (float.IsNaN(value))
            return float.IsNaN(BitConverter.UInt32BitsToSingle(bits));
        uint below = BitConverter.SingleToUInt32Bits(value) >> 13;
        return bits == Nearest(value, below, below + 1, 13, chooseUpper: true) << 13;
    }

    private static uint Nearest(float value, uint below, uint above, int droppedBits, bool chooseUpper)
    {
        double toBelow = Math.Abs(value - (double)BitConverter.UInt32BitsToSingle(below << droppedBits));
        float upper = BitConverter.UInt32BitsToSingle(above << droppedBits);
        // The next step after the largest number would be 2¹²⁸, whose encoding is infinity.
        double toAbove = Math.Abs(value - (float.IsInfinity(upper) ? Math.CopySign(Math.Pow(2, 128), value) : upper));
        return float.IsInfinity(value) || toBelow < toAbove || (toBelow == toAbove && !chooseUpper) ? below : above;
    }

    private static void Check(float[] results, Func<double, double> function, double error, double least = 0)
    {
        Assert.That(results, Has.Length.EqualTo(Values.Length));
        for (int i = 0; i < Values.Length; i++)
        {
            float expected = Flush((float)function(Flush(Values[i])));
            string message = $"of {Values[i]:R}";
            if (float.IsFinite(expected) && expected != 0)
            {
                double scale = Math.Max(least, Math.Abs((double)expected));
                Assert.That(results[i], Is.EqualTo(expected).Within(error * scale), message);
            }
            else
            {
                // A result for zero may have an absolute error only where one is allowed.
                Assert.That(results[i], Is.EqualTo(expected).Within(expected == 0 ? error * least : 0), message);
            }
        }
    }

    private static float Flush(float x) => float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;
}
