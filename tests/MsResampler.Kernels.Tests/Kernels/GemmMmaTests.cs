using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Products by mma.sync, compared with loops in double precision over the rounded inputs.</summary>
public sealed class GemmMmaTests : TensorProductTests
{
    /// <summary>Sizes around the tile of a warp, a small and a large tile, primes, long and thin, more than one band
    /// of tiles; k around a chunk, a slice, and more slices than stages.</summary>
    private static readonly GemmMmaSize[] s_sizes =
    [
        new(1, 1, 1), new(1, 129, 31), new(63, 65, 32), new(64, 64, 64), new(65, 63, 33), new(127, 61, 67),
        new(128, 128, 96), new(129, 127, 8), new(61, 3, 257), new(257, 5, 7), new(2, 259, 71), new(31, 37, 41, 3),
        new(1217, 131, 9),
    ];

    /// <summary>Sizes around the 32 columns whose squares are summed, and around a tile.</summary>
    private static readonly GemmMmaSize[] s_finishedSizes =
    [
        new(1, 1, 1), new(9, 33, 8), new(65, 127, 33), new(130, 160, 40),
    ];

    private protected override IReadOnlyList<GemmShape> Shapes => GemmShape.Mma;

    private protected override IReadOnlyList<GemmMmaCase> Types => GemmMmaCase.OnePerElement;

    private protected override IReadOnlyList<GemmMmaFinish> Finishes => Enum.GetValues<GemmMmaFinish>();

    private static IEnumerable<TestCaseData> Cases() => CasesOf(GemmShape.Mma, GemmMmaCase.All, s_sizes);

    private static IEnumerable<TestCaseData> FinishedCases()
        => CasesOf(GemmShape.Mma, GemmMmaCase.OnePerElement, s_finishedSizes);

    [TestCaseSource(nameof(Cases))]
    public void Products_agree_with_loops(object types, object shape, object size)
        => GemmMmaCheck.Run((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size);

    [TestCaseSource(nameof(FinishedCases))]
    public void Squares_of_rows_are_summed_per_32_columns(object types, object shape, object size)
        => GemmMmaCheck.Run((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size, GemmMmaFinish.Squares);

    [TestCaseSource(nameof(FinishedCases))]
    public void Rows_are_scaled_and_table_rows_are_added(object types, object shape, object size)
        => GemmMmaCheck.Run((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size, GemmMmaFinish.Scaled,
            GemmMmaCheck.ScalesFor((GemmMmaSize)size, 3));

    [Test]
    public void Gelu_is_applied_before_rounding([Values(0, 1, 2, 3, 4)] int types)
        => GemmMmaCheck.Run(GemmMmaCase.All[types], GemmShape.Small, new GemmMmaSize(67, 61, 40), GemmMmaFinish.Gelu);

    [Test]
    public void Results_may_be_stored_by_groups_of_columns([Values] GemmMmaFinish finish, [Values(0, 2)] int types)
    {
        // All products would store their squares at the same places.
        var size = new GemmMmaSize(67, 61, 40, Products: finish == GemmMmaFinish.Squares ? 1 : 2);
        GemmMmaCase kernels = GemmMmaCase.OnePerElement[types];
        (float[] a, float[] w, float[] bias) = GemmMmaCheck.OperandsFor(size);
        GemmMmaScales scales = GemmMmaCheck.ScalesFor(size, 3);

        GemmMmaResult byRows = kernels.Run(GemmShape.Small, a, w, bias, size, finish, scales);
        GemmMmaResult byColumns = kernels.Run(GemmShape.Small, a, w, bias, size, finish, scales,
            new() { Layout = GemmMmaLayout.ColumnMajorC });

        Assert.That(byColumns.C, Is.EqualTo(byRows.C));
        Assert.That(byColumns.IsPaddingKept);
    }

    [TestCase(float.MinValue, false)]
    [TestCase(float.NegativeInfinity, true)]
    public void An_infinity_in_tf32_becomes_NaN_and_its_row_is_noted(float bias, bool isOutside)
        => CheckLimit(GemmMmaCase.All[4], GemmShape.Small, bias, isOutside);

    [Test]
    public void An_overflow_before_GELU_is_not_hidden()
    {
        // GELU(+∞) is +∞; GELU(−∞) would be 0·∞.
        var size = new GemmMmaSize(1, 2, 1);
        GemmMmaResult result = GemmMmaCase.All[4].Run(GemmShape.Small, [3e38f], [10, -10], new float[2], size,
            GemmMmaFinish.Gelu);
        Assert.That(result.C, Has.All.NaN);
    }
}
