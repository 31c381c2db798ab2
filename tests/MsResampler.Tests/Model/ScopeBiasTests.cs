namespace MsResampler.Tests.Model;

public class ScopeBiasTests
{
    private static readonly QueryGrid s_queries = new(3, 4);
    private static readonly PatchGrid s_grid = new(7, 5);

    private static ScopeBias Create(ScopeConfig scope, double[]? logSigma = null)
        => new(scope, ScopeWindows.Resolve(scope, s_queries, s_grid), s_queries, logSigma);

    private static float[] Rows(ScopeBias bias, int queryRow, int head = 0)
    {
        float[] values = new float[s_grid.Rows];
        bias.FillRows(queryRow, head, new AxisRange(0, s_grid.Rows), values, 1);
        return values;
    }

    private static float[] Columns(ScopeBias bias, int queryColumn, int head = 0)
    {
        float[] values = new float[s_grid.Columns];
        bias.FillColumns(queryColumn, head, new AxisRange(0, s_grid.Columns), values, 1);
        return values;
    }

    /// <summary>The definition along one axis in base 2; the largest value in the window is 0.</summary>
    private static double[] Expected(int query, int queryCount, int patchCount, double sigma, AxisRange window)
    {
        double anchor = ((query + 0.5) * patchCount / queryCount) - 0.5;
        double[] bias = [.. Enumerable.Range(0, patchCount).Select(patch => window.Contains(patch)
            ? -(patch - anchor) * (patch - anchor) / (2 * sigma * sigma) / Math.Log(2) : double.NegativeInfinity)];
        double largest = bias.Max();
        return [.. bias.Select(value => value - largest)];
    }

    private static void AssertClose(float[] actual, double[] expected)
    {
        for (int index = 0; index < expected.Length; index++)
        {
            // One rounding to single precision; the difference of two squares adds a few roundings in double
            // precision.
            double tolerance = (Math.Abs(expected[index]) * Math.Pow(2, -24)) + 1e-12;
            Assert.That((double)actual[index], double.IsInfinity(expected[index])
                ? Is.EqualTo(expected[index]) : Is.EqualTo(expected[index]).Within(tolerance), $"patch {index}");
        }
    }

    private static void AssertAll(ScopeBias bias, ScopeConfig scope, Func<int, AxisPair> sigmaOfHead)
    {
        ScopeWindows windows = ScopeWindows.Resolve(scope, s_queries, s_grid);
        for (int head = 0; head < 2; head++)
        {
            for (int row = 0; row < s_queries.Rows; row++)
                AssertClose(Rows(bias, row, head), Expected(row, s_queries.Rows, s_grid.Rows,
                    sigmaOfHead(head).Rows, windows.Rows[row]));
            for (int column = 0; column < s_queries.Columns; column++)
                AssertClose(Columns(bias, column, head), Expected(column, s_queries.Columns, s_grid.Columns,
                    sigmaOfHead(head).Columns, windows.Columns[column]));
        }
    }

    [Test]
    public void A_Gaussian_decreases_with_the_squared_distance([Values(0.3, 1, 2.5, 1e6)] double rows,
        [Values(0.3, 4)] double columns, [Values] bool hasWindow)
    {
        ScopeConfig scope = Configs.Gaussian(rows, columns, hasWindow ? new AxisPair(4, 3) : null);

        AssertAll(Create(scope), scope, _ => new AxisPair(rows, columns));
    }

    [Test]
    public void A_fraction_is_relative_to_the_grid()
    {
        ScopeConfig scope = Configs.Gaussian(0.3, 0.6, units: ScopeUnits.Fraction);

        AssertAll(Create(scope), scope, _ => new AxisPair(0.3 * s_grid.Rows, 0.6 * s_grid.Columns));
    }

    [Test]
    public void A_learned_sigma_replaces_the_configured_one_in_its_units([Values] ScopeUnits units)
    {
        ScopeConfig scope = Configs.Gaussian(1, 1, units: units);
        double[] logSigma = [0.5, -0.25, -1, 1.5];
        AxisPair unit = units == ScopeUnits.Fraction ? new AxisPair(s_grid.Rows, s_grid.Columns) : new AxisPair(1, 1);

        ScopeBias bias = Create(scope, logSigma);

        Assert.That(bias.IsPerHead, Is.True);
        AssertAll(bias, scope, head => new AxisPair(
            Math.Exp(logSigma[2 * head]) * unit.Rows, Math.Exp(logSigma[(2 * head) + 1]) * unit.Columns));
    }

    [Test]
    public void A_window_without_a_Gaussian_is_a_mask()
    {
        ScopeConfig scope = Configs.Window(3, 2);

        ScopeBias bias = Create(scope);

        Assert.That((bias.IsMask, bias.IsPerHead), Is.EqualTo((true, false)));
        // Query row 1 of 3 in 7 rows: anchor 3, rows 2 to 4. Query column 0 of 4 in 5: anchor 0.125, columns 0 to 1.
        const float Out = float.NegativeInfinity;
        Assert.That(Rows(bias, 1), Is.EqualTo(new[] { Out, Out, 0, 0, 0, Out, Out }));
        Assert.That(Columns(bias, 0), Is.EqualTo(new[] { 0, 0, Out, Out, Out }));
    }

    [Test]
    public void The_nearest_patch_has_bias_0_for_any_sigma(
        [Values(1e-3, 1e-20, 1e-160, 1e-300, double.Epsilon)] double sigma, [Values] bool hasWindow)
    {
        ScopeBias bias = Create(Configs.Gaussian(sigma, sigma, hasWindow ? new AxisPair(2, 1) : null));

        for (int row = 0; row < s_queries.Rows; row++)
            Assert.That(Rows(bias, row), Has.Member(0f).And.None.NaN.And.None.Positive);
        for (int column = 0; column < s_queries.Columns; column++)
            Assert.That(Columns(bias, column), Has.Member(0f).And.None.NaN.And.None.Positive);
    }

    [Test]
    public void An_anchor_between_two_patches_gives_both_bias_0()
    {
        // Query 0 of 1 on 4 patches has the anchor 1.5.
        ScopeConfig scope = Configs.Gaussian(1e-200, 1e-200);
        PatchGrid grid = new(4, 4);
        QueryGrid queries = new(1, 1);
        ScopeBias bias = new(scope, ScopeWindows.Resolve(scope, queries, grid), queries, null);
        float[] values = new float[4];

        bias.FillRows(0, 0, new AxisRange(0, 4), values, 1);

        Assert.That(values, Is.EqualTo(new[] { float.NegativeInfinity, 0, 0, float.NegativeInfinity }));
    }

    [Test]
    public void Values_are_written_at_a_stride_and_nothing_in_between()
    {
        ScopeBias bias = Create(Configs.Gaussian(1, 1));
        float[] values = [.. Enumerable.Repeat(7f, 3 * 3)];

        bias.FillRows(1, 0, new AxisRange(2, 5), values, 3);

        float[] dense = Rows(bias, 1);
        Assert.That(values, Is.EqualTo(new[] { dense[2], 7, 7, dense[3], 7, 7, dense[4], 7, 7 }));
    }

    [Test]
    public void The_offset_is_the_bias_of_the_nearest_visible_patch([Values] ScopeUnits units, [Values] bool hasWindow,
        [Values] WindowBorder border)
    {
        AxisPair? window = !hasWindow ? null
            : units == ScopeUnits.Patches ? new AxisPair(2, 1) : new AxisPair(0.3, 0.2);
        ScopeConfig scope = Configs.Gaussian(1, 1, window, units) with { Border = border };
        double[] logSigma = [0.5, -0.25, -1, 1.5];
        ScopeWindows windows = ScopeWindows.Resolve(scope, s_queries, s_grid);
        ScopeBias bias = Create(scope, logSigma);

        for (int head = 0; head < 2; head++)
        {
            for (int row = 0; row < s_queries.Rows; row++)
                Assert.That(bias.RowOffset(row, head), Is.EqualTo(Nearest(row, s_queries.Rows, s_grid.Rows,
                    Math.Exp(logSigma[2 * head]), windows.Rows[row])).Within(1e-12));
            for (int column = 0; column < s_queries.Columns; column++)
                Assert.That(bias.ColumnOffset(column, head), Is.EqualTo(Nearest(column, s_queries.Columns,
                    s_grid.Columns, Math.Exp(logSigma[(2 * head) + 1]), windows.Columns[column])).Within(1e-12));
        }

        double Nearest(int query, int queryCount, int patchCount, double sigma, AxisRange window)
        {
            double inPatches = units == ScopeUnits.Fraction ? sigma * patchCount : sigma;
            double anchor = ((query + 0.5) * patchCount / queryCount) - 0.5;
            return Enumerable.Range(window.Start, window.Count).Max(patch
                => -Math.Pow((patch - anchor) / inPatches, 2) / 2 / Math.Log(2));
        }
    }

    [Test]
    public void The_offset_of_an_anchor_on_a_patch_is_0_and_of_any_other_finite_or_minus_infinity(
        [Values(1e-3, 1e-150, 1e-200, double.Epsilon)] double sigma)
    {
        ScopeBias bias = Create(Configs.Gaussian(sigma, sigma));

        // Query row 1 of 3 in 7 rows has the anchor 3, query column 0 of 4 in 5 columns the anchor 0.125.
        Assert.That(bias.RowOffset(1, 0), Is.EqualTo(0));
        Assert.That(bias.ColumnOffset(0, 0), sigma < 1e-170 ? Is.EqualTo(double.NegativeInfinity)
            : Is.EqualTo(-Math.Pow(0.125 / sigma, 2) / 2 / Math.Log(2)).Within(1e-12).Percent);
    }

    [Test]
    public void A_mask_has_no_offset()
    {
        ScopeBias bias = Create(Configs.Window(3, 2));

        Assert.That((bias.RowOffset(0, 0), bias.ColumnOffset(1, 0)), Is.EqualTo((0d, 0d)));
    }
}
