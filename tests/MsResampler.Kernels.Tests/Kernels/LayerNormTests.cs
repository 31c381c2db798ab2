using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tests.Devices;
using MsResampler.Tests;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Layer normalisation against loops in double precision.</summary>
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
            starts, positioned, rowCount, width, vectors, vectors, (float)Epsilon);

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

    /// <summary>Normalised rows, 0 behind their width.</summary>
    internal static double[] Expected(ReadOnlySpan<float> source, float[] weight, float[] bias, int rowCount, int width)
    {
        int stride = (width + 3) / 4 * 4;
        double[] expected = new double[rowCount * stride];
        for (int row = 0; row < rowCount; row++)
        {
            double[] values = Array.ConvertAll(source.Slice(row * stride, width).ToArray(), value => (double)value);
            double mean = values.Average();
            double scale = 1 / Math.Sqrt(values.Average(value => (value - mean) * (value - mean)) + Epsilon);
            for (int column = 0; column < width; column++)
                expected[(row * stride) + column] = ((values[column] - mean) * scale * weight[column]) + bias[column];
        }

        return expected;
    }
}
