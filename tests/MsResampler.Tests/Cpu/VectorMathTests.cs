using MathNet.Numerics;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Tests.Cpu;

[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class VectorMathTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private static float[] Exp2(params float[] values)
    {
        AlignedBuffer buffer = new(values.Length + TSimd.Width);
        values.CopyTo(buffer.Span);
        for (int index = 0; index < values.Length; index += TSimd.Width)
            TSimd.Store(buffer.Pointer + index, VectorMath<TSimd, TVector>.Exp2(TSimd.Load(buffer.Pointer + index)));
        float[] results = buffer.Span[..values.Length].ToArray();
        GC.KeepAlive(buffer);
        return results;
    }

    private static float[] Gelu(params float[] values)
    {
        AlignedBuffer buffer = AlignedBuffer.Copy(values);
        VectorMath<TSimd, TVector>.Gelu(buffer.Pointer, values.Length);
        float[] results = buffer.Span.ToArray();
        GC.KeepAlive(buffer);
        return results;
    }

    [Test]
    public void Exp2_is_within_its_bound_if_the_result_is_normal()
    {
        const int Count = 500_000;
        float[] values = [.. Enumerable.Range(0, Count).Select(index => -126 + (253.4f * index / Count))];

        float[] results = Exp2(values);

        double worst = 0;
        for (int index = 0; index < Count; index++)
            worst = Math.Max(worst, Math.Abs((results[index] / Math.Pow(2, values[index])) - 1));
        Assert.That(worst, Is.InRange(0d, 2e-7));
    }

    [Test]
    public void Exp2_of_an_integer_is_exact()
    {
        float[] values = [.. Enumerable.Range(-126, 254).Select(power => (float)power)];

        Assert.That(Exp2(values), Is.EqualTo(values.Select(power => MathF.ScaleB(1, (int)power))));
    }

    [Test]
    public void Exp2_of_a_very_small_number_is_zero() => Assert.That(
        Exp2(-126.6f, -127, -127.5f, -128, -1000, -1e30f, float.MinValue, float.NegativeInfinity), Is.All.Zero);

    /// <remarks>With T = Φ(−|x|), gelu is x·(1 − T) or x·T. The relative error of T is that of the fit, 1.2e-7, of
    /// exp2, 2e-7, and of the rounding of its exponent: about x²/2 + 2 is summed in ten steps and scaled, each with
    /// an error of u, for which 12·u·(x²/2 + 2) allows. Three more operations round outside T. Below 2⁻¹²⁶ results
    /// may be flushed to zero.</remarks>
    [Test]
    public void Gelu_is_within_its_bound()
    {
        const int Count = 400_000;
        float[] values = [.. Enumerable.Range(0, Count).Select(index => -20 + (40f * index / Count))];

        float[] results = Gelu(values);

        for (int index = 0; index < Count; index++)
        {
            double x = values[index];
            double tail = 0.5 * SpecialFunctions.Erfc(Math.Abs(x) / Math.Sqrt(2));
            double exact = x < 0 ? x * tail : x - (x * tail);
            double relative = 3.2e-7 + (12 * Values.Roundoff * ((x * x / 2) + 2));
            double bound = (Math.Abs(x) * ((tail * relative) + (x < 0 ? tail : 1) * 3 * Values.Roundoff)) + 1e-36;
            if (!(Math.Abs(results[index] - exact) <= bound))
                Assert.Fail($"gelu({x}): {results[index]}, expected {exact} ± {bound}");
        }
    }

    [Test]
    public void Gelu_of_large_and_special_values_is_exact()
    {
        float[] results = Gelu(0, 30, 1e10f, 1e30f, float.MaxValue, -30, -1e10f, -1e30f, float.MinValue);

        Assert.That(results, Is.EqualTo(new[] { 0, 30, 1e10f, 1e30f, float.MaxValue, 0, 0, 0, 0 }));
    }

    // A sum that overflowed must stay visible: gelu of −∞ must not be 0, as it is for a large negative value.
    [Test]
    public void Gelu_keeps_infinities_and_NaN()
    {
        float[] values = [.. Enumerable.Range(0, 33).Select(index => index % 3 == 0 ? float.NaN : index)];

        Assert.That(Exp2(values).Select(float.IsNaN), Is.EqualTo(values.Select(float.IsNaN)));
        Assert.That(Gelu(values).Select(float.IsNaN), Is.EqualTo(values.Select(float.IsNaN)));
        Assert.That(Gelu(float.NegativeInfinity, float.PositiveInfinity),
            Is.EqualTo([float.NaN, float.PositiveInfinity]));
    }

    [Test]
    public void The_bits_of_a_gelu_do_not_depend_on_its_position()
    {
        float[] values = Values.Array(3 * 16, seed: 1);
        float[] all = Gelu(values);

        for (int first = 0; first < values.Length; first++)
            for (int count = 1; count <= values.Length - first; count++)
                Assert.That(Values.Bits(Gelu(values.AsSpan(first, count).ToArray())),
                    Is.EqualTo(Values.Bits(all.AsSpan(first, count))), $"{count} values from {first}");
    }

    [Test]
    public void Gelu_writes_nothing_past_its_values([Values(1, 7, 16, 33)] int count)
    {
        AlignedBuffer buffer = Values.Filled(count + 32, 5);

        VectorMath<TSimd, TVector>.Gelu(buffer.Pointer, count);

        Assert.That(buffer.Span[count..].ToArray(), Is.All.EqualTo(5f));
    }
}
