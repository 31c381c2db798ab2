namespace PtxEmulator.Tests;

/// <summary>Checks the oracle against the floating-point arithmetic of the host.</summary>
internal sealed class OracleTests
{
    private static readonly float[] s_floats = Values.Of<float>();
    private static readonly Half[] s_halves = Values.Of<Half>();

    [Test]
    public void Float32_arithmetic_equals_that_of_the_host()
    {
        FloatFormat format = FloatFormat.F32;
        foreach (float a in s_floats)
        {
            Check(MathF.Sqrt(a), format.SquareRoot(Values.ToBits(a)));
            foreach (float b in s_floats)
            {
                Check(a + b, format.Add(Values.ToBits(a), Values.ToBits(b)));
                Check(a - b, format.Subtract(Values.ToBits(a), Values.ToBits(b)));
                Check(a * b, format.Multiply(Values.ToBits(a), Values.ToBits(b)));
                Check(a / b, format.Divide(Values.ToBits(a), Values.ToBits(b)));
                foreach (float c in s_floats)
                    Check(MathF.FusedMultiplyAdd(a, b, c),
                        format.FusedMultiplyAdd(Values.ToBits(a), Values.ToBits(b), Values.ToBits(c)));
            }
        }
    }

    [Test]
    public void Float64_arithmetic_equals_that_of_the_host()
    {
        FloatFormat format = FloatFormat.F64;
        foreach (double a in Values.Of<double>())
        {
            Check(Math.Sqrt(a), format.SquareRoot(Values.ToBits(a)));
            Check((float)a, format.Convert(Values.ToBits(a), FloatFormat.F32));
            Check((Half)a, format.Convert(Values.ToBits(a), FloatFormat.F16));
            foreach (double b in Values.Of<double>())
            {
                Check(a + b, format.Add(Values.ToBits(a), Values.ToBits(b)));
                Check(a * b, format.Multiply(Values.ToBits(a), Values.ToBits(b)));
                Check(a / b, format.Divide(Values.ToBits(a), Values.ToBits(b)));
                Check(Math.FusedMultiplyAdd(a, b, a),
                    format.FusedMultiplyAdd(Values.ToBits(a), Values.ToBits(b), Values.ToBits(a)));
            }
        }
    }

    [Test]
    public void Half_arithmetic_equals_that_of_the_host()
    {
        FloatFormat format = FloatFormat.F16;
        foreach (Half a in s_halves)
        {
            foreach (Half b in s_halves)
            {
                Check(a + b, format.Add(Values.ToBits(a), Values.ToBits(b)));
                Check(a * b, format.Multiply(Values.ToBits(a), Values.ToBits(b)));
            }
        }
    }

    [Test]
    public void Every_half_converts_to_the_same_float_as_on_the_host()
    {
        for (uint bits = 0; bits <= ushort.MaxValue; bits++)
        {
            Check((float)BitConverter.UInt16BitsToHalf((ushort)bits), FloatFormat.F16.Convert(bits, FloatFormat.F32));
            Check((Half)BitConverter.UInt32BitsToSingle((bits << 13) + (bits * 0x1357)),
                FloatFormat.F32.Convert((bits << 13) + (bits * 0x1357), FloatFormat.F16));
        }
    }

    [TestCase(Rounding.NearestEven, MidpointRounding.ToEven), TestCase(Rounding.TowardZero, MidpointRounding.ToZero),
        TestCase(Rounding.Down, MidpointRounding.ToNegativeInfinity),
        TestCase(Rounding.Up, MidpointRounding.ToPositiveInfinity),
        TestCase(Rounding.NearestAway, MidpointRounding.AwayFromZero)]
    public void Rounding_to_integers_equals_that_of_the_host(Rounding rounding, MidpointRounding host)
    {
        foreach (float a in (float[])[.. s_floats, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49999997f, 8388607.5f])
            Check(MathF.Round(a, host), FloatFormat.F32.RoundToWhole(Values.ToBits(a), rounding));
    }

    [TestCase(0x3F80_8000u, 0x3F80), TestCase(0x3F81_8000u, 0x3F82), TestCase(0x3F80_8001u, 0x3F81),
        TestCase(0x7F7F_FFFFu, 0x7F80), TestCase(0x0000_8000u, 0x0000), TestCase(0x8001_8000u, 0x8002)]
    public void Bfloat16_ties_go_to_even(uint bits, int expected) =>
        Assert.That(FloatFormat.F32.Convert(bits, FloatFormat.BF16), Is.EqualTo((ulong)expected));

    private static void Check<T>(T expected, ulong actual)
        where T : unmanaged
    {
        if (!Values.Same(expected, Values.FromBits<T>(actual)))
            Assert.That(Values.FromBits<T>(actual), Is.EqualTo(expected), $"0x{actual:X}");
    }
}
