using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The attention of one block, compared with loops in double precision.</summary>
public class ScopeAttentionTests
{
    private static IEnumerable<TestCaseData> Cases()
    {
        foreach (KernelHost host in KernelHost.All)
        {
            (Type Head, int[] Sizes)[] heads = host.HasSlowBarriers
                ? [(typeof(HeadTile32OneWarp), [5, 36])]
                :
                [
                    (typeof(HeadTile32), [1, 31, 32]), (typeof(HeadTile64), [33, 64]),
                    (typeof(HeadTile128), [65, 128, 129, 257]),
                ];
            foreach ((Type head, int[] sizes) in heads)
            {
                foreach (int size in sizes)
                {
                    foreach ((int rows, int columns, int keyRows, int keyColumns) in host.HasSlowBarriers
                        ? new[] { (3, 5, 5, 7) }
                        : [(1, 1, 1, 1), (4, 4, 1, 31), (2, 8, 8, 4), (3, 5, 3, 11), (1, 15, 13, 10), (16, 1, 17, 16)])
                    {
                        foreach (bool isBiased in new[] { false, true })
                        {
                            yield return new TestCaseData(host, head, size, rows, columns, keyRows, keyColumns,
                                isBiased).SetArgDisplayNames(host.ToString()!, head.Name, $"{size} channels",
                                    $"{rows}x{columns} queries", $"{keyRows}x{keyColumns} keys",
                                    isBiased ? "biased" : "full");
                        }
                    }
                }
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void A_tile_agrees_with_loops(object host, Type head, int headSize, int rows, int columns, int keyRows,
        int keyColumns, bool isBiased)
    {
        AttentionCase @case = new(headSize, rows, columns, keyRows, keyColumns, isBiased);
        (float[] sums, float[] logSums) = @case.Run((KernelHost)host, head);
        (double[] expected, double[] expectedLogSums) = @case.Expected();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tolerances.RelativeError(sums, expected), Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions));
            Assert.That(Tolerances.RelativeError(logSums, expectedLogSums),
                Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions), "log-sums");
            Assert.That(@case.Run((KernelHost)host, head, storesLogSums: false).Sums, Is.EqualTo(sums));
        }
    }
}
