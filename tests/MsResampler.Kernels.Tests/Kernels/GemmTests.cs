using MathNet.Numerics;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Matrix products, compared with loops in double precision.</summary>
public class GemmTests
{
    private static readonly int[] s_sizes = [1, 31, 32, 33, 61, 64, 65, 127, 128, 129];

    private static IEnumerable<TestCaseData> Cases()
    {
        foreach (KernelHost host in KernelHost.All)
        {
            Type[] tiles = host.HasSlowBarriers ? [typeof(GemmTile32)] : [typeof(GemmTile64), typeof(GemmTile128)];
            foreach (Type tile in tiles)
            {
                foreach (Type epilogue in new[] { typeof(LinearEpilogue), typeof(GeluEpilogue) })
                {
                    foreach (int size in host.HasSlowBarriers ? [1, 33] : s_sizes)
                        yield return Case(host, tile, epilogue, size, 129 - size, (size * 7 % 20) + 1);
                }

                // Long and thin, in both directions.
                if (!host.HasSlowBarriers)
                {
                    yield return Case(host, tile, typeof(LinearEpilogue), 401, 2, 67);
                    yield return Case(host, tile, typeof(LinearEpilogue), 3, 401, 5);
                }
            }
        }
    }

    private static TestCaseData Case(KernelHost host, Type tile, Type epilogue, int rowCount, int columnQuads,
        int innerVectors)
        => new TestCaseData(host, tile, epilogue, rowCount, Math.Max(columnQuads / 4, 1), innerVectors)
            .SetArgDisplayNames(host.ToString()!, tile.Name, epilogue.Name, $"{rowCount} rows",
            $"{4 * Math.Max(columnQuads / 4, 1)} columns", $"{4 * innerVectors} deep");

    [TestCaseSource(nameof(Cases))]
    public void Products_agree_with_loops(object host, Type tile, Type epilogue, int rowCount, int columnQuads,
        int innerVectors)
    {
        const int Count = 2;
        float[] a = Values.Normal(Count * rowCount * innerVectors * 4, 1);
        float[] w = Values.Normal(Count * 4 * columnQuads * innerVectors * 4, 2);
        float[] bias = Values.Normal(Count * 4 * columnQuads, 3);
        float[] c = Run((KernelHost)host, tile, epilogue, a, w, bias, Count, rowCount, columnQuads, innerVectors,
            columnStride: 1);

        double[] expected = new double[c.Length];
        for (int product = 0; product < Count; product++)
        {
            for (int row = 0; row < rowCount; row++)
            {
                for (int column = 0; column < 4 * columnQuads; column++)
                {
                    double sum = bias[(product * 4 * columnQuads) + column];
                    for (int k = 0; k < 4 * innerVectors; k++)
                    {
                        sum += (double)a[(((product * rowCount) + row) * 4 * innerVectors) + k]
                            * w[(((product * 4 * columnQuads) + column) * 4 * innerVectors) + k];
                    }

                    expected[(((product * rowCount) + row) * 4 * columnQuads) + column] =
                        epilogue == typeof(GeluEpilogue)
                            ? 0.5 * sum * (1 + SpecialFunctions.Erf(sum / Math.Sqrt(2))) : sum;
                }
            }
        }

        Assert.That(Tolerances.RelativeError(c, expected), Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
    }

    [Test]
    public void An_element_has_the_same_bits_in_any_tile_position_and_layout()
    {
        const int RowCount = 70;
        const int ColumnQuads = 19;
        const int InnerVectors = 23;
        float[] a = Values.Normal(RowCount * InnerVectors * 4, 1);
        float[] w = Values.Normal(4 * ColumnQuads * InnerVectors * 4, 2);
        float[] bias = Values.Normal(4 * ColumnQuads, 3);
        EmulatorHost host = new();
        float[] large = Run(host, typeof(GemmTile128), typeof(LinearEpilogue), a, w, bias, 1, RowCount, ColumnQuads,
            InnerVectors, columnStride: 1);
        float[] small = Run(host, typeof(GemmTile64), typeof(LinearEpilogue), a, w, bias, 1, RowCount, ColumnQuads,
            InnerVectors, columnStride: 1);
        float[] lastRow = Run(host, typeof(GemmTile64), typeof(LinearEpilogue), a[^(InnerVectors * 4)..], w, bias, 1, 1,
            ColumnQuads, InnerVectors, columnStride: 1);
        float[] byColumns = Run(host, typeof(GemmTile64), typeof(LinearEpilogue), a, w, bias, 1, RowCount,
            ColumnQuads, InnerVectors, columnStride: RowCount);

        float[] gathered = new float[large.Length];
        for (int row = 0; row < RowCount; row++)
            for (int vector = 0; vector < ColumnQuads; vector++)
                byColumns.AsSpan(4 * ((vector * RowCount) + row), 4).CopyTo(
                    gathered.AsSpan(4 * ((row * ColumnQuads) + vector)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(small, Is.EqualTo(large));
            Assert.That(lastRow, Is.EqualTo(large[^lastRow.Length..]));
            Assert.That(gathered, Is.EqualTo(large));
        }
    }

    private static float[] Run(KernelHost host, Type tile, Type epilogue, float[] a, float[] w, float[] bias, int count,
        int rowCount, int columnQuads, int innerVectors, int columnStride)
    {
        Type kernel = typeof(GemmTiled<,>).MakeGenericType(tile, epilogue);
        int Static(string name) => (int)kernel.GetProperty(name)!.GetValue(null)!;
        int blocks = ((rowCount + Static("TileRows") - 1) / Static("TileRows"))
            * ((columnQuads + Static("TileVectors") - 1) / Static("TileVectors"));
        var c = KernelHost.Output.Of(count * rowCount * columnQuads * 4);
        int rowStride = columnStride == 1 ? columnQuads : 1;
        host.Run(new KernelVariant(kernel, Static("BlockSize"), 1), new LaunchSize(blocks, count, Static("BlockSize")),
            a, w, bias, c, new int[1], new GemmLayout
            {
                RowCount = rowCount,
                ColumnQuads = columnQuads,
                InnerVectors = innerVectors,
                AStride = innerVectors,
                WStride = innerVectors,
                CRowStride = rowStride,
                CColumnStride = columnStride,
                ABatchStride = rowCount * innerVectors,
                WBatchStride = 4 * columnQuads * innerVectors,
                BiasBatchStride = columnQuads,
                CBatchStride = rowCount * columnQuads,
                Limit = float.PositiveInfinity,
            });
        return c.Values;
    }
}
