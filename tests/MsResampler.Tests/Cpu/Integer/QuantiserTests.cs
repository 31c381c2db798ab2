using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;

namespace MsResampler.Tests.Cpu.Integer;

[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class QuantiserTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private static readonly int[] s_counts = [1, 2, 3, 4, 7, 15, 16, 17, 33, 64, 100, 257, 1024];

    private static IEnumerable<TestCaseData> Formats =>
    [
        new(IntegerType.Int8, true) { TestName = "{m}(bytes)" },
        new(IntegerType.Int8, false) { TestName = "{m}(bytes in 16 bits)" },
        new(IntegerType.Int16, true) { TestName = "{m}(16 bits)" },
    ];

    /// <summary>Rows of many kinds: two-sided, one-sided, with an outlier, tiny, huge.</summary>
    private static IEnumerable<float[]> Rows(int count)
    {
        float[] row = Values.Array(count, seed: count);
        yield return row;
        yield return [.. row.Select(MathF.Abs)];
        yield return [.. row.Select(value => -MathF.Abs(value) - 3)];
        yield return [.. row.Select((value, index) => index == count / 2 ? -100 : value)];
        yield return [.. row.Select(value => value * 1e-26f)];
        yield return [.. row.Select(value => value * float.MaxValue)];
        yield return [.. Normal(count)];
    }

    [TestCaseSource(nameof(Formats))]
    public void A_row_is_within_half_a_level_of_its_values_and_closer_with_a_residual(IntegerType type,
        bool hasBytes)
    {
        foreach (int count in s_counts)
        {
            foreach (float[] row in Rows(count))
            {
                Quantised result = Quantise<TSimd, TVector>(row, null, type, hasBytes);
                float scale = result.Scale.Scale;
                int level = type == IntegerType.Int8 ? 127 : type.MaxLevel(count);
                for (int k = 0; k < count; k++)
                {
                    Assert.That(result.Levels[k], Is.InRange(type == IntegerType.Int8 ? -255 : -level,
                        type == IntegerType.Int8 ? 255 : level));
                    double error = row[k] - (result.Levels[k] * (double)scale);
                    // The quotient and the scale are rounded: of 255 or of L levels each by 2⁻²⁴.
                    double half = scale * (0.5 + (4 * Values.Roundoff * Math.Max(255, level)));
                    Assert.That(error, Is.EqualTo(0).Within(half), $"{count} values, value {k}");
                    if (result.Scale.ResidualScale == 0)
                        continue;
                    error -= result.ResidualLevels[k] * (double)result.Scale.ResidualScale;
                    // Half a level of the residual, and the rounding of level · scale.
                    double rest = (half / (2 * level)) + (2 * Values.Roundoff * Math.Abs(row[k]))
                        + (4 * Values.Roundoff * half);
                    Assert.That(error, Is.EqualTo(0).Within(rest), $"residual of {count} values, value {k}");
                }
            }
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Every_instruction_set_gives_the_same_bits(IntegerType type, bool hasBytes)
    {
        foreach (int count in s_counts)
        {
            float[] factors = [.. Values.Array(count, seed: 9).Select(value => MathF.Exp(3 * value))];
            foreach (float[] row in Rows(count))
            {
                foreach (float[]? inverseSmoothing in new[] { null, factors })
                {
                    Quantised result = Quantise<TSimd, TVector>(row, inverseSmoothing, type, hasBytes);
                    Quantised expected = Quantise<SimdScalar, float>(row, inverseSmoothing, type, hasBytes);
                    Assert.That(result.Scale, Is.EqualTo(expected.Scale));
                    Assert.That(result.Levels, Is.EqualTo(expected.Levels));
                    if (result.Scale.ResidualScale != 0)
                        Assert.That(result.ResidualLevels, Is.EqualTo(expected.ResidualLevels));
                }
            }
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Rows_with_a_value_that_is_not_finite_have_the_scale_NaN(IntegerType type, bool hasBytes)
    {
        foreach (int count in s_counts)
        {
            foreach (float value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                foreach (int place in new[] { 0, count / 2, count - 1 })
                {
                    float[] row = Values.Array(count, seed: 1);
                    row[place] = value;
                    Quantised result = Quantise<TSimd, TVector>(row, null, type, hasBytes);
                    Assert.That(result.Scale, Is.EqualTo(new RowScale(float.NaN, 0, 0)),
                        $"{value} at {place} of {count}");
                    Assert.That(result.Levels, Is.All.Zero);
                }
            }
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Rows_of_zeros_and_of_tiny_values_are_zeros(IntegerType type, bool hasBytes)
    {
        foreach (float value in new[] { 0, -0f, 8e-28f, -8e-28f, float.Epsilon })
        {
            float[] row = [.. Enumerable.Repeat(value, 37)];
            Quantised result = Quantise<TSimd, TVector>(row, null, type, hasBytes);
            Assert.That(result.Scale, Is.EqualTo(new RowScale(0, 0, 0)));
            Assert.That(result.Levels, Is.All.Zero);
        }

        Assert.That(Quantise<TSimd, TVector>([8.1e-28f, 0], null, type, hasBytes).Scale.Scale, Is.Positive);
    }

    [TestCaseSource(nameof(Formats))]
    public void Residuals_of_small_values_stay_accurate(IntegerType type, bool hasBytes)
    {
        // From zeros to magnitudes whose residuals have a scale in the normal range.
        for (int exponent = -126; exponent < -60; exponent++)
        {
            float largest = MathF.ScaleB(1.3f, exponent);
            Quantised result = Quantise<TSimd, TVector>([largest, largest / 1000, 0, 0], null, type, hasBytes);
            Assert.That(result.ResidualLevels, result.Scale.Scale == 0 ? Is.Empty : Has.Length.EqualTo(4));
            Assert.That(result.ResidualLevels.Skip(2), Is.All.Zero, $"zeros beside {largest}");
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Only_rows_with_outliers_have_a_residual(IntegerType type, bool hasBytes)
    {
        foreach (int count in new[] { 64, 257, 1024, 4096, 65_536 })
        {
            float[] uniform = Values.Array(count, seed: 1);
            float[] normal = [.. Normal(count)];
            Assert.That(HasResidual(uniform), Is.False, $"{count} uniform values");
            Assert.That(HasResidual([.. uniform.Select(MathF.Abs)]), Is.False, $"{count} positive values");
            Assert.That(HasResidual(normal), Is.False, $"{count} normal values");
            foreach (float outlier in new[] { 100f, -100f })
            {
                foreach (int place in new[] { 0, count / 3, count - 1 })
                {
                    float[] row = [.. normal];
                    row[place] = outlier;
                    Assert.That(HasResidual(row), Is.True, $"{count} normal values with {outlier}");
                }
            }
        }

        bool HasResidual(float[] row)
            => Quantise<TSimd, TVector>(row, null, type, hasBytes).Scale.ResidualScale != 0;
    }

    [TestCaseSource(nameof(Formats))]
    public void Values_are_multiplied_by_the_inverse_of_the_smoothing(IntegerType type, bool hasBytes)
    {
        float[] row = Values.Array(100, seed: 1);
        float[] factors = [.. Values.Array(100, seed: 2).Select(value => value + 2)];

        Quantised result = Quantise<TSimd, TVector>(row, factors, type, hasBytes);

        Quantised expected = Quantise<TSimd, TVector>([.. row.Zip(factors, (a, b) => a * b)], null, type, hasBytes);
        Assert.That(result.Scale, Is.EqualTo(expected.Scale));
        Assert.That(result.Levels, Is.EqualTo(expected.Levels));
    }

    private static IEnumerable<float> Normal(int count)
    {
        Random random = new(count);
        for (int k = 0; k < count; k++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            yield return (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }
    }

    /// <summary>A row as integers from which the zero point was subtracted.</summary>
    private sealed record Quantised(RowScale Scale, int[] Levels, int[] ResidualLevels);

    private static Quantised Quantise<TAny, TLanes>(float[] row, float[]? inverseSmoothing, IntegerType type,
        bool hasBytes)
        where TAny : struct, ISimd<TLanes>
    {
        IntegerKernel kernel = new FormatOnly(hasBytes);
        AlignedBuffer memory = AlignedBuffer.OfBytes(IntegerRows.BytesOf(1, row.Length, type, kernel));
        memory.Span.Fill(float.NaN);
        IntegerRows rows = new(memory.Pointer, 1, row.Length, type, kernel);
        AlignedBuffer values = AlignedBuffer.Copy(row);
        AlignedBuffer? factors = inverseSmoothing is null ? null : AlignedBuffer.Copy(inverseSmoothing);

        Quantiser<TAny, TLanes>.Quantise(values.Pointer, factors is null ? null : factors.Pointer, rows, 0);

        RowScale scale = rows.Scales[0];
        Quantised result = new(scale, Integers(rows, rows.Values, row.Length, scale.Zero),
            scale.ResidualScale == 0 ? [] : Integers(rows, rows.Residuals, row.Length, rows.ResidualZero));
        GC.KeepAlive(values);
        GC.KeepAlive(factors);
        GC.KeepAlive(memory);
        return result;
    }

    private static int[] Integers(IntegerRows rows, byte* row, int count, int zero)
    {
        int size = rows.HasBytes ? 1 : 2;
        Assert.That(new Span<byte>(row + (count * size), (int)rows.Stride - (count * size)).ToArray(), Is.All.Zero);
        int[] result = new int[count];
        for (int k = 0; k < count; k++)
            result[k] = (rows.HasBytes ? row[k] : ((short*)row)[k]) - zero;
        return result;
    }

    /// <summary>A kernel of which only the format of activations is used.</summary>
    private sealed class FormatOnly(bool hasByteActivations) : IntegerKernel
    {
        public override string Name => "format";

        public override string Variant => Name;

        public override bool IsSupported => false;

        public override int PanelWidth => throw new NotSupportedException();

        public override bool HasByteActivations => hasByteActivations;

        public override void MultiplyInt8(IntegerTile* tile) => throw new NotSupportedException();

        public override void MultiplyInt16(IntegerTile* tile) => throw new NotSupportedException();
    }
}
