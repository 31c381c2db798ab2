using System.Runtime.InteropServices;
using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>Converts 16-bit floats in memory that ends at an unreadable page.</summary>
internal sealed class WideningTests : GuardedTests
{
    // As vectors and as remainders of all lengths.
    private static int[] Lengths => [.. Enumerable.Range(0, 70), 1 << 16];

    [Test]
    public void Every_number_has_its_value_in_float32([ValueSource(nameof(Lengths))] int length)
    {
        ushort[] numbers = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)];
        AlignedBuffer source = AlignedBuffer.OfBytes(sizeof(ushort) * length);
        AlignedBuffer result = new(length);
        // An odd length ends half a float before the unreadable page.
        Span<ushort> stored = MemoryMarshal.Cast<float, ushort>(source.Span)[^length..];
        for (int first = 0; first + length <= numbers.Length; first += Math.Max(length, 1 << 10))
        {
            numbers.AsSpan(first, length).CopyTo(stored);
            Widening.OfBFloat16(stored, result.Span);
            for (int index = 0; index < length; index++)
                if (BitConverter.SingleToUInt32Bits(result.Span[index]) != (uint)stored[index] << 16)
                    Assert.Fail($"bfloat16 {stored[index]:x4}: found {result.Span[index]}");
            Widening.OfFloat16(stored, result.Span);
            for (int index = 0; index < length; index++)
                AssertFloat16(stored[index], result.Span[index]);
        }
    }

    [Test]
    public void A_short_destination_is_an_error()
    {
        Assert.That(() => Widening.OfFloat16(new ushort[3], new float[2]),
            Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Widening.OfBFloat16(new ushort[3], new float[2]),
            Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    /// <summary>Compares a float with the sign, exponent and fraction of a float16. A NaN has the same
    /// fraction.</summary>
    private static void AssertFloat16(ushort bits, float found)
    {
        (int exponent, int fraction) = ((bits >> 10) & 31, bits & 1023);
        double magnitude = exponent == 0 ? Math.ScaleB(fraction, -24)
            : exponent == 31 ? fraction == 0 ? double.PositiveInfinity : double.NaN
            : Math.ScaleB(1024 + fraction, exponent - 25);
        uint expected = double.IsNaN(magnitude) ? 0x7f80_0000 | ((uint)fraction << 13)
            : BitConverter.SingleToUInt32Bits((float)magnitude);
        if (BitConverter.SingleToUInt32Bits(found) != (expected | ((uint)(bits >> 15) << 31)))
            Assert.Fail($"float16 {bits:x4}: expected {magnitude}, found {found}");
    }
}
