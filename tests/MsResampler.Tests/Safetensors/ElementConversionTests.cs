using System.Runtime.InteropServices;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

public class ElementConversionTests
{
    private const int PatternCount = 1 << 16;

    private static readonly ushort[] s_patterns =
        [.. Enumerable.Range(0, PatternCount).Select(bits => (ushort)bits)];

    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    public void Every_16_bit_pattern_widens_exactly(TensorType type)
    {
        uint[] singles = new uint[PatternCount];
        ulong[] doubles = new ulong[PatternCount];
        ReadOnlySpan<byte> stored = MemoryMarshal.AsBytes<ushort>(s_patterns);
        ElementConversion.ToSingle(type, stored, MemoryMarshal.Cast<uint, float>(singles.AsSpan()));
        ElementConversion.ToDouble(type, stored, MemoryMarshal.Cast<ulong, double>(doubles.AsSpan()));

        int mantissaBits = type == TensorType.F16 ? 10 : 7;
        int exponentBits = 15 - mantissaBits;
        Assert.That(singles,
            Is.EqualTo(s_patterns.Select(bits => (uint)Widen(bits, exponentBits, mantissaBits, 8, 23))));
        Assert.That(doubles,
            Is.EqualTo(s_patterns.Select(bits => Widen(bits, exponentBits, mantissaBits, 11, 52))));
    }

    [Test]
    public void Every_class_of_single_widens_to_double_exactly()
    {
        // Every sign and exponent, with mantissas that show the position of each bit.
        uint[] mantissas = [0, 1, 0x3f_ffff, 0x40_0000, 0x40_0001, 0x55_5555, 0x7f_ffff];
        uint[] singles = [.. Enumerable.Range(0, 512)
            .SelectMany(high => mantissas.Select(low => ((uint)high << 23) | low))];
        ulong[] doubles = new ulong[singles.Length];
        ReadOnlySpan<byte> stored = MemoryMarshal.AsBytes<uint>(singles);
        ElementConversion.ToDouble(TensorType.F32, stored,
            MemoryMarshal.Cast<ulong, double>(doubles.AsSpan()));
        Assert.That(doubles, Is.EqualTo(singles.Select(bits => Widen(bits, 8, 23, 11, 52))));

        uint[] copy = new uint[singles.Length];
        ElementConversion.ToSingle(TensorType.F32, stored, MemoryMarshal.Cast<uint, float>(copy.AsSpan()));
        Assert.That(copy, Is.EqualTo(singles));
    }

    [Test]
    public void Doubles_keep_their_bits_and_round_to_single()
    {
        Random random = new(1);
        double halfUlp = Math.ScaleB(1, -24);
        double[] values =
        [
            0, -0.0,
            1 + halfUlp, 1 + (3 * halfUlp),
            Math.BitIncrement(1 + halfUlp), Math.BitDecrement(1 + (3 * halfUlp)),
            double.MaxValue, double.Epsilon, double.PositiveInfinity, double.NegativeInfinity,
            float.Epsilon / 2.0,
            .. Enumerable.Range(0, 1000)
                .Select(_ => Math.ScaleB(random.NextDouble() - 0.5, random.Next(-160, 140))),
        ];
        float[] singles = new float[values.Length];
        ElementConversion.ToSingle(TensorType.F64, MemoryMarshal.AsBytes<double>(values), singles);
        Assert.That(singles[2..6], Is.EqualTo(new[]
            { 1, 1 + (4 * (float)halfUlp), float.BitIncrement(1), float.BitIncrement(1) }));
        Assert.That(singles, Is.EqualTo(values.Select(value => (float)value)));

        ulong[] patterns =
            [0x7ff0_0000_0000_0001, 0xfff8_1234_5678_9abc, .. values.Select(BitConverter.DoubleToUInt64Bits)];
        ulong[] copy = new ulong[patterns.Length];
        ElementConversion.ToDouble(TensorType.F64, MemoryMarshal.AsBytes<ulong>(patterns),
            MemoryMarshal.Cast<ulong, double>(copy.AsSpan()));
        Assert.That(copy, Is.EqualTo(patterns));

        float[] nans = new float[2];
        ElementConversion.ToSingle(TensorType.F64, MemoryMarshal.AsBytes<ulong>(patterns.AsSpan(0, 2)), nans);
        Assert.That(nans, Is.All.NaN);
    }

    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    public void Every_finite_16_bit_pattern_is_usable(TensorType type)
    {
        float[] single = new float[1];
        foreach (ushort pattern in s_patterns)
        {
            byte[] bytes = BitConverter.GetBytes(pattern);
            ElementConversion.ToSingle(type, bytes, single);
            if (ElementConversion.HasUnusable(type, bytes) == float.IsFinite(single[0]))
                Assert.Fail($"{type} 0x{pattern:x4}");
        }
    }

    [Test]
    public void A_double_is_usable_if_it_rounds_to_a_finite_single()
    {
        Random random = new(3);
        double limit = Math.ScaleB(2 - Math.ScaleB(1, -24), 127);
        double[] values =
        [
            0, -0.0, double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.MaxValue, double.Epsilon,
            float.MaxValue, Math.BitIncrement(float.MaxValue), limit, -limit, Math.BitDecrement(limit),
            -Math.BitDecrement(limit), Math.BitIncrement(limit), BitConverter.UInt64BitsToDouble(0x7ff0_0000_0000_0001),
            BitConverter.UInt64BitsToDouble(0xfff8_0000_0000_0000),
            .. Enumerable.Range(0, 1000).Select(_ => BitConverter.Int64BitsToDouble(random.NextInt64())),
        ];
        Assert.That((float)Math.BitDecrement(limit), Is.EqualTo(float.MaxValue));
        foreach (double value in values)
        {
            Assert.That(ElementConversion.HasUnusable(TensorType.F64, BitConverter.GetBytes(value)),
                Is.EqualTo(!float.IsFinite((float)value)), $"{value:R}");
        }
    }

    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    [TestCase(TensorType.F32)]
    [TestCase(TensorType.F64)]
    public void An_unusable_element_is_found_at_any_position_and_length(TensorType type)
    {
        int elementBytes = TensorTypes.BitsOf(type) / 8;
        for (int length = 0; length < 70; length++)
        {
            byte[] bytes = new byte[length * elementBytes];
            Assert.That(ElementConversion.HasUnusable(type, bytes), Is.False);
            for (int index = 0; index < length; index++)
            {
                // All exponent bits are set: an infinity or a NaN, with the sign bit set too.
                bytes.AsSpan(index * elementBytes, elementBytes).Fill(0xff);
                if (!ElementConversion.HasUnusable(type, bytes))
                    Assert.Fail($"length {length}, element {index}");
                bytes.AsSpan().Clear();
            }
        }
    }

    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    [TestCase(TensorType.F32)]
    [TestCase(TensorType.F64)]
    public void Every_length_and_alignment_has_the_same_result(TensorType type)
    {
        int elementBytes = TensorTypes.BitsOf(type) / 8;
        byte[] bytes = new byte[150 * elementBytes];
        new Random(2).NextBytes(bytes);
        float[] one = new float[1];
        double[] oneDouble = new double[1];
        for (int offset = 0; offset < elementBytes; offset++)
        {
            for (int length = 0; length < 140; length++)
            {
                float[] singles = new float[length];
                double[] doubles = new double[length];
                ElementConversion.ToSingle(type, bytes.AsSpan(offset, length * elementBytes), singles);
                ElementConversion.ToDouble(type, bytes.AsSpan(offset, length * elementBytes), doubles);
                for (int index = 0; index < length; index++)
                {
                    byte[] aligned = bytes.AsSpan(offset + (index * elementBytes), elementBytes).ToArray();
                    ElementConversion.ToSingle(type, aligned, one);
                    ElementConversion.ToDouble(type, aligned, oneDouble);
                    bool isSame = BitConverter.SingleToUInt32Bits(singles[index]) ==
                            BitConverter.SingleToUInt32Bits(one[0])
                        && BitConverter.DoubleToUInt64Bits(doubles[index]) ==
                            BitConverter.DoubleToUInt64Bits(oneDouble[0]);
                    if (!isSame)
                        Assert.Fail($"offset {offset}, length {length}, element {index}");
                }
            }
        }
    }

    [TestCase(TensorType.F16, 0x7c00)]
    [TestCase(TensorType.BF16, 0x7f80)]
    public void Singles_round_to_nearest_even(TensorType type, int infinity)
    {
        List<float> sources = [];
        List<ushort> expected = [];
        for (int bits = 0; bits < infinity; bits++)
        {
            // In the order of these formats the next bit pattern is the next value; the successor of the largest
            // would be 2^(max + 1), which has the pattern of infinity.
            double low = ValueOf(bits), high = ValueOf(bits + 1);
            float middle = (float)((low + high) / 2);
            int even = bits + (bits & 1);
            foreach ((float value, int result) in new[]
            {
                ((float)low, bits), (middle, even),
                (float.BitDecrement(middle), bits), (float.BitIncrement(middle), bits + 1),
            })
            {
                sources.AddRange(value, -value);
                expected.AddRange((ushort)result, (ushort)(result | 0x8000));
            }
        }

        sources.AddRange(float.PositiveInfinity, float.NegativeInfinity);
        expected.AddRange((ushort)infinity, (ushort)(infinity | 0x8000));
        ushort[] found = new ushort[sources.Count];
        ElementConversion.FromSingle(type, sources.ToArray(), MemoryMarshal.AsBytes(found.AsSpan()));
        Assert.That(found, Is.EqualTo(expected));

        double ValueOf(int bits)
        {
            int mantissaBits = type == TensorType.F16 ? 10 : 7;
            int bias = (1 << (14 - mantissaBits)) - 1;
            int exponent = bits >> mantissaBits, mantissa = bits & ((1 << mantissaBits) - 1);
            return exponent == 0
                ? Math.ScaleB(mantissa, 1 - bias - mantissaBits)
                : Math.ScaleB(mantissa + (1 << mantissaBits), exponent - bias - mantissaBits);
        }
    }

    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    [TestCase(TensorType.F64)]
    public void A_NaN_stays_NaN_when_narrowed(TensorType type)
    {
        uint[] payloads = [.. Enumerable.Range(0, 23)
            .SelectMany(bit => new[] { 0x7f80_0000u | (1u << bit), 0xff80_0000u | (1u << bit) })];
        byte[] bytes = new byte[payloads.Length * TensorTypes.BitsOf(type) / 8];
        ElementConversion.FromSingle(type, MemoryMarshal.Cast<uint, float>(payloads), bytes);
        double[] values = new double[payloads.Length];
        ElementConversion.ToDouble(type, bytes, values);
        Assert.That(values, Is.All.NaN);
    }

    /// <summary>The definition of widening a binary floating-point format to a larger one, in integers.</summary>
    private static ulong Widen(uint bits, int exponentBits, int mantissaBits, int toExponentBits,
        int toMantissaBits)
    {
        ulong mantissa = bits & ((1u << mantissaBits) - 1);
        int maxExponent = (1 << exponentBits) - 1;
        int exponent = (int)(bits >> mantissaBits) & maxExponent;
        ulong sign = bits >> (mantissaBits + exponentBits);
        int bias = maxExponent >> 1, toBias = (1 << (toExponentBits - 1)) - 1;
        long toExponent;
        if (exponent == maxExponent)
        {
            toExponent = (1 << toExponentBits) - 1;
        }
        else if (exponent != 0)
        {
            toExponent = exponent - bias + toBias;
        }
        else if (mantissa == 0 || exponentBits == toExponentBits)
        {
            toExponent = 0;
        }
        else
        {
            // A subnormal number becomes normal: it is shifted until the leading one is the hidden bit.
            int shift = 0;
            while ((mantissa >> mantissaBits) == 0)
            {
                mantissa <<= 1;
                shift++;
            }

            mantissa &= (1u << mantissaBits) - 1;
            toExponent = 1 - bias - shift + toBias;
        }

        return (sign << (toExponentBits + toMantissaBits)) | ((ulong)toExponent << toMantissaBits)
            | (mantissa << (toMantissaBits - mantissaBits));
    }
}
