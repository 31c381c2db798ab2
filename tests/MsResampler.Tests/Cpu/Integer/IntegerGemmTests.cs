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

    /// <summary>An element from sums in 64 bits.</summary>
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
