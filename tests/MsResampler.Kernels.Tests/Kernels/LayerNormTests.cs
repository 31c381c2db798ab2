using MsResampler.Kernels.Norm;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Layer normalisation, compared with loops in double precision.</summary>
public class LayerNormTests
{
    private const double Epsilon = 1e-6;

    private static IEnumerable<TestCaseData> Cases()
    {
        foreach (KernelHost host in KernelHost.All)
        {
            foreach ((int rowCount, int width) in host.HasSlowBarriers
                ? new[] { (2, 131) } : [(1, 1), (3, 2), (4, 3), (5, 4), (7, 127), (8, 128), (9, 129), (2, 1021)])
            {
                yield return new TestCaseData(host, rowCount, width).SetArgDisplayNames(host.ToString()!,
                    $"{rowCount} rows", $"{width} wide");
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Rows_and_rows_with_positions_agree_with_loops(object host, int rowCount, int width)
    {
        const int PositionCount = 3;
        int vectors = (width + 3) / 4;
        float[] source = Values.Rows(rowCount, width, 1);
        float[] weight = Values.Rows(1, width, 2);
        float[] bias = Values.Rows(1, width, 3);
        float[] positions = Values.Rows(PositionCount, width, 4);
        int[] starts = [.. Enumerable.Range(0, rowCount).Select(row => row % PositionCount * vectors)];
        var plain = KernelHost.Output.Of(source.Length);
        var positioned = KernelHost.Output.Of(source.Length);
        int warps = ((KernelHost)host).HasSlowBarriers ? 1 : 4;
        ((KernelHost)host).Run(new KernelVariant(typeof(LayerNormWarp<BothRows>), 32 * warps, 1),
            new LaunchSize((rowCount + warps - 1) / warps, 1, 32 * warps), source, weight, bias, plain, positions,
            starts, positioned, Shape(rowCount, width, vectors, Epsilon));

        double[] expected = Expected(source, weight, bias, rowCount, width);
        double[] expectedPositioned = [.. expected.Select((value, index) => value
            + positions[(index / (4 * vectors) % PositionCount * 4 * vectors) + (index % (4 * vectors))])];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tolerances.RelativeError(plain.Values, expected),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
            Assert.That(Tolerances.RelativeError(positioned.Values, expectedPositioned),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
        }
    }

    /// <summary>Every finite row is normalised as in double precision. There is one case per ε, so that one launch
    /// covers all scales and offsets.</summary>
    [TestCase(1e-3)]
    [TestCase(1e-6)]
    [TestCase(1e-12)]
    [TestCase(1e-60)]
    public void Rows_of_any_scale_and_offset_are_normalised_as_in_double_precision(double epsilon)
    {
        const int Width = 131;
        const int Stride = (Width + 3) / 4 * 4;
        List<float[]> rows = [.. Sweep(Width)];
        float[] source = new float[rows.Count * Stride];
        for (int row = 0; row < rows.Count; row++)
            rows[row].CopyTo(source.AsSpan(row * Stride));
        float[] weight = Values.Rows(1, Width, 2);
        var normal = KernelHost.Output.Of(source.Length);

        new EmulatorHost().Run(new KernelVariant(typeof(LayerNormWarp<PlainRows>), 128, 1),
            new LaunchSize((rows.Count + 3) / 4, 1, 128), source, weight, new float[Stride], normal,
            Array.Empty<float>(), Array.Empty<int>(), Array.Empty<float>(),
            Shape(rows.Count, Width, Stride / 4, epsilon));

        using (Assert.EnterMultipleScope())
        {
            for (int row = 0; row < rows.Count; row++)
            {
                double[] expected = Expected(rows[row], weight, new float[Width], 1, Width, epsilon);
                Assert.That(Tolerances.RelativeError(normal.Values.AsSpan(row * Stride, Stride), expected),
                    Is.LessThanOrEqualTo(Tolerances.SinglePrecision),
                        $"row {row}: {rows[row][0]}, {rows[row][1]}, ...");
            }
        }
    }

    /// <summary>All scales of floats; offsets up to the resolution of float32; rows with one element far from the
    /// others or barely apart; rows of equal elements, whose only deviation is ε.</summary>
    internal static IEnumerable<float[]> Sweep(int width)
    {
        float[] normal = Values.Normal(width, 1);
        foreach (double scale in new[] { 1e-38, 1e-30, 1e-19, 1e-6, 1, 1e6, 1e19, 1e30, 5e37 })
        {
            foreach (double offset in new[] { 0, 1, -30, 1e3, -1e5, 1e6 })
            {
                if (scale * Math.Abs(offset) < 1e38)
                    yield return [.. normal.Select(value => (float)((value + offset) * scale))];
            }
        }

        foreach (float constant in new[] { 0, 1.1f, -33.3f, 1000.1f, 1e-42f, 1.1e-30f, 1.1e19f, float.MaxValue })
            yield return [.. normal.Select(_ => constant)];
        foreach (float most in new[] { 1.1f, 1000.1f, -1.1e19f, float.MaxValue })
        {
            foreach (int place in new[] { 0, 77, width - 1 })
            {
                yield return [.. normal.Select((_, index) => index == place ? MathF.BitDecrement(most) : most)];
                yield return [.. normal.Select((value, index) => index == place ? most : value * (1e-4f * most))];
            }
        }

        yield return [.. normal.Select((_, index) => index % 2 == 0 ? float.MaxValue : float.MinValue)];
        yield return [.. normal.Select((_, index) => index % 2 == 0 ? 4e-39f : 0)];
    }

    /// <summary>The normalised rows, with zeros behind their width.</summary>
    internal static double[] Expected(ReadOnlySpan<float> source, float[] weight, float[] bias, int rowCount, int width,
        double epsilon = Epsilon)
    {
        int stride = (width + 3) / 4 * 4;
        double[] expected = new double[rowCount * stride];
        for (int row = 0; row < rowCount; row++)
        {
            double[] values = Array.ConvertAll(source.Slice(row * stride, width).ToArray(), value => (double)value);
            double mean = values.Average();
            double scale = 1 / Math.Sqrt(values.Average(value => (value - mean) * (value - mean)) + epsilon);
            for (int column = 0; column < width; column++)
                expected[(row * stride) + column] = ((values[column] - mean) * scale * weight[column]) + bias[column];
        }

        return expected;
    }

    private static NormShape Shape(int rowCount, int width, int stride, double epsilon) => new()
    {
        RowCount = rowCount,
        Width = width,
        SourceStride = stride,
        Stride = stride,
        RootEpsilon = (float)Math.Sqrt(epsilon),
    };
}
