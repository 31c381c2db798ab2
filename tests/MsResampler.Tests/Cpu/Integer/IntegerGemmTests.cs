using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;

namespace MsResampler.Tests.Cpu.Integer;

[TestFixtureSource(typeof(IntegerFixtures), nameof(IntegerFixtures.KernelsWithSimd))]
internal sealed unsafe class IntegerGemmTests<TSimd, TVector>(string kernelName) : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private const float Guard = 12345.5f;

    private readonly IntegerKernel _kernel = IntegerFixtures.Kernel(kernelName);

    private static int[] InnerCounts => [1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 130];

    [Test]
    public void A_product_is_the_rounded_exact_sum_of_its_integers([Values] IntegerType type,
        [Values(1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70)] int columns, [Values] bool hasOutliers)
    {
        foreach (int inner in InnerCounts)
        {
            foreach (int rowCount in new[] { 1, 2, 5, 6, 7, 12, 13 })
            {
                int stride = columns + 3;
                IntegerMatrix b = Matrix(type, columns, inner, hasBias: true);
                AlignedBuffer memory = Rows(type, rowCount, inner, hasOutliers, out IntegerRows a);
                AlignedBuffer c = Values.Filled((rowCount + 2) * stride, Guard);

                Multiply(a, 0, rowCount, b, c.Pointer + stride, stride);

                float[] weight = new float[columns * inner];
                fixed (float* target = weight)
                    b.CopyWeightTo(target);
                for (int index = 0; index < c.Count; index++)
                {
                    (int row, int column) = ((index / stride) - 1, index % stride);
                    if (row < 0 || row >= rowCount || column >= columns)
                    {
                        if (c.Span[index] != Guard)
                            Assert.Fail($"inner {inner}: row {row}, column {column} is outside and was written");
                        continue;
                    }

                    float expected = Element(a, row, b, weight.AsSpan(column * inner, inner), column);
                    if (!c.Span[index].Equals(expected))
                        Assert.Fail($"inner {inner}, row {row} of {rowCount}, column {column}: {c.Span[index]:R}, " +
                            $"expected {expected:R}");
                }

                GC.KeepAlive(memory);
            }
        }
    }

    [Test]
    public void Columns_can_be_stored_head_by_head([Values] IntegerType type,
        [Values(1, 3, 8, 16, 24, 64, 100)] int headSize)
    {
        const int Inner = 33;
        const int RowCount = 13;
        int columns = headSize * (1 + (130 / headSize));
        IntegerMatrix b = Matrix(type, columns, Inner, hasBias: true);
        AlignedBuffer memory = Rows(type, RowCount, Inner, hasOutliers: true, out IntegerRows a);
        AlignedBuffer plain = new(RowCount * columns);
        Multiply(a, 0, RowCount, b, plain.Pointer, columns);
        HeadLayout heads = HeadLayout.For(headSize, RowCount);
        AlignedBuffer c = Values.Filled((int)(columns / headSize * heads.HeadStride), Guard);

        for (int panel = 0; panel < b.PanelCount; panel++)
            IntegerGemm<TSimd, TVector>.PanelToHeads(a, 0, RowCount, b, panel, c.Pointer, heads);

        GC.KeepAlive(b);
        GC.KeepAlive(memory);
        for (int index = 0; index < c.Count; index++)
        {
            (long head, long place) = Math.DivRem(index, heads.HeadStride);
            (long row, long channel) = Math.DivRem(place, heads.RowStride);
            float expected = channel < headSize ? plain.Span[(int)((row * columns) + (head * headSize) + channel)]
                : Guard;
            if (!c.Span[index].Equals(expected))
                Assert.Fail($"head {head}, row {row}, channel {channel}: {c.Span[index]:R}, expected {expected:R}");
        }
    }

    [Test]
    public void Bits_of_an_element_do_not_depend_on_the_rows_around_it([Values] IntegerType type)
    {
        const int Inner = 67;
        const int RowCount = 25;
        const int Columns = 70;
        IntegerMatrix b = Matrix(type, Columns, Inner, hasBias: true);
        AlignedBuffer memory = Rows(type, RowCount, Inner, hasOutliers: true, out IntegerRows a);
        AlignedBuffer all = new(RowCount * Columns);
        AlignedBuffer some = new(RowCount * Columns);
        Multiply(a, 0, RowCount, b, all.Pointer, Columns);

        for (int first = 0; first < RowCount; first++)
        {
            for (int count = 1; count <= Math.Min(14, RowCount - first); count++)
            {
                Multiply(a, first, count, b, some.Pointer, Columns);
                Assert.That(Values.Bits(some.Span[..(count * Columns)]),
                    Is.EqualTo(Values.Bits(all.Span.Slice(first * Columns, count * Columns))), $"rows {first}+{count}");
            }
        }

        GC.KeepAlive(memory);
    }

    [Test]
    public void A_row_that_is_not_finite_gives_NaN_in_its_own_row_only([Values] IntegerType type,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value)
    {
        const int Inner = 40;
        const int Columns = 70;
        const int RowCount = 9;
        IntegerMatrix b = Matrix(type, Columns, Inner, hasBias: true);
        AlignedBuffer memory = Rows(type, RowCount, Inner, hasOutliers: true, out IntegerRows a);
        AlignedBuffer row = Values.Random(Inner, seed: 50);
        row.Span[Inner - 1] = value;
        Quantiser<TSimd, TVector>.Quantise(row.Pointer, null, a, 4);
        AlignedBuffer zeros = new(Inner);
        Quantiser<TSimd, TVector>.Quantise(zeros.Pointer, null, a, 5);
        AlignedBuffer c = new(RowCount * Columns);

        Multiply(a, 0, RowCount, b, c.Pointer, Columns);

        for (int r = 0; r < RowCount; r++)
        {
            float[] result = c.Span.Slice(r * Columns, Columns).ToArray();
            if (r == 5)
                Assert.That(result, Is.EqualTo(b.BiasValues.ToArray()));
            else if (r == 4)
                Assert.That(result, Is.All.NaN);
            else
                Assert.That(result, Is.All.Matches<float>(float.IsFinite));
        }

        GC.KeepAlive(memory);
        GC.KeepAlive(row);
        GC.KeepAlive(zeros);
    }

    [Test]
    public void A_channel_100_times_the_others_does_not_spoil_them([Values] IntegerType type)
    {
        const int Inner = 512;
        const int Columns = 64;
        float[] weight = Values.Array(Columns * Inner, seed: 1);
        // The weights of the large channel are zero, so that its own rounding does not count.
        for (int column = 0; column < Columns; column++)
            weight[(column * Inner) + 7] = 0;
        IntegerMatrix b = IntegerMatrix.FromWeights(weight, Columns, Inner, type, _kernel);
        AlignedBuffer memory = AlignedBuffer.OfBytes(IntegerRows.BytesOf(1, Inner, type, _kernel));
        IntegerRows a = new(memory.Pointer, 1, Inner, type, _kernel);
        AlignedBuffer row = Values.Random(Inner, seed: 2);
        row.Span[7] = 100;
        AlignedBuffer c = new(Columns);
        Quantiser<TSimd, TVector>.Quantise(row.Pointer, null, a, 0);

        Multiply(a, 0, 1, b, c.Pointer, Columns);

        double squares = 0, errors = 0;
        for (int column = 0; column < Columns; column++)
        {
            double exact = 0;
            for (int k = 0; k < Inner; k++)
                exact += (double)row.Span[k] * weight[(column * Inner) + k];
            squares += exact * exact;
            errors += (c.Span[column] - exact) * (c.Span[column] - exact);
        }

        // Without the residual, levels are 0.4 apart and 7 % of the magnitudes are lost. With it, 8-bit weights remain:
        // steps of 1/127 have an error of 0.0023 (1/√12 of a step), 0.4 % of their root mean square of 0.58.
        Assert.That(Math.Sqrt(errors / squares), Is.LessThan(type == IntegerType.Int8 ? 0.008 : 0.001));
        GC.KeepAlive(memory);
    }

    private IntegerMatrix Matrix(IntegerType type, int columns, int inner, bool hasBias)
        => IntegerMatrix.FromWeights(Values.Array(columns * inner, seed: 1), columns, inner, type, _kernel,
            hasBias ? Values.Array(columns, seed: 2) : default);

    /// <summary>Random rows; every second one has a channel 100 times the others.</summary>
    private AlignedBuffer Rows(IntegerType type, int rowCount, int inner, bool hasOutliers, out IntegerRows rows)
    {
        AlignedBuffer memory = AlignedBuffer.OfBytes(IntegerRows.BytesOf(rowCount, inner, type, _kernel));
        memory.Span.Fill(float.NaN);
        rows = new IntegerRows(memory.Pointer, rowCount, inner, type, _kernel);
        for (int row = 0; row < rowCount; row++)
        {
            AlignedBuffer values = Values.Random(inner, seed: 3 + row);
            if (hasOutliers && row % 2 == 0)
                values.Span[row % inner] = 100;
            Quantiser<TSimd, TVector>.Quantise(values.Pointer, null, rows, row);
            GC.KeepAlive(values);
        }

        return memory;
    }

    private static void Multiply(in IntegerRows a, int firstRow, int rowCount, IntegerMatrix b, float* c, int stride)
    {
        for (int panel = 0; panel < b.PanelCount; panel++)
            IntegerGemm<TSimd, TVector>.Panel(a, firstRow, rowCount, b, panel, c, stride);
        GC.KeepAlive(b);
    }

    /// <summary>An element from sums in 64 bits. The multiply-add is fused if the processor can.</summary>
    private static float Element(in IntegerRows a, int row, IntegerMatrix b, ReadOnlySpan<float> weight, int column)
    {
        RowScale scale = a.Scales[row];
        float columnScale = b.Scales(column / b.PanelWidth)[column % b.PanelWidth];
        float result = b.BiasValues[column];
        result = SimdScalar.MultiplyAdd(Sum(a, a.Values + (row * a.Stride), scale.Zero, weight, columnScale),
            scale.Scale * columnScale, result);
        return scale.ResidualScale == 0 ? result
            : SimdScalar.MultiplyAdd(Sum(a, a.Residuals + (row * a.Stride), a.ResidualZero, weight, columnScale),
                scale.ResidualScale * columnScale, result);
    }

    private static long Sum(in IntegerRows a, byte* row, int zero, ReadOnlySpan<float> weight, float columnScale)
    {
        long sum = 0;
        for (int k = 0; k < weight.Length; k++)
        {
            int integer = (a.HasBytes ? row[k] : ((short*)row)[k]) - zero;
            sum += integer * (long)MathF.Round(weight[k] / columnScale);
        }

        return sum;
    }
}
