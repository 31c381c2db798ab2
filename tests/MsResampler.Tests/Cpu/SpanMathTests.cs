namespace MsResampler.Tests.Cpu;

public class SpanMathTests
{
    private static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    [Test]
    public void Sums_and_products_have_the_bits_of_single_operations([Range(0, 40)] int count)
    {
        float[] a = Values(count, 1);
        float[] b = Values(count, 2);
        float[] sum = [.. a];
        SpanMath.Add(sum, b, sum);
        Assert.That(sum, Is.EqualTo(a.Zip(b, (x, y) => x + y)));
        float[] product = [.. a];
        SpanMath.Multiply(product, 0.3f);
        Assert.That(product, Is.EqualTo(a.Select(x => x * 0.3f)));
    }

    /// <summary>A difference of floats would be rounded twice: the amount first.</summary>
    [Test]
    public void Differences_are_rounded_once([Range(0, 40)] int count)
    {
        const double Amount = 0.1 + (1.0 / (1L << 40));
        float[] values = Values(count, 1);
        float[] result = [.. values];
        SpanMath.Subtract(result, Amount);
        Assert.That(result, Is.EqualTo(values.Select(value => (float)(value - Amount))));
    }

    [Test]
    public void Operands_of_other_lengths_are_rejected()
    {
        Assert.That(() => SpanMath.Add(new float[3], new float[4], new float[4]),
            Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => SpanMath.Add(new float[4], new float[3], new float[4]),
            Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity)]
    public void One_value_that_is_not_finite_is_found_at_any_place(float value)
    {
        float[] finite = [0, -0f, float.MaxValue, float.MinValue, float.Epsilon, -1e-42f, 1];
        for (int count = 0; count < 40; count++)
        {
            float[] values = [.. Enumerable.Range(0, count).Select(index => finite[index % finite.Length])];
            Assert.That(SpanMath.AreFinite(values), Is.True, $"{count} finite values");
            for (int index = 0; index < count; index++)
            {
                (float before, values[index]) = (values[index], value);
                Assert.That(SpanMath.AreFinite(values), Is.False, $"{value} at {index} of {count}");
                values[index] = before;
            }
        }
    }
}
