using System.Numerics;
using CsCheck;

namespace MsResampler.Tests.Model;

/// <summary>Windows compared with the definition, patch by patch.</summary>
public class ScopeGeometryTests
{
    private static readonly Gen<WindowBorder> s_border =
        Gen.Bool.Select(isShifted => isShifted ? WindowBorder.Shift : WindowBorder.Clip);

    /// <summary>The definition along one axis: of all windows of the extent, the one whose centre is nearest to the
    /// anchor, compared in exact fractions; of two, the one nearer to the centre of the grid; of two again, the later
    /// one. Returns its first and last patch before the border rule.</summary>
    private static (BigInteger First, BigInteger Last) Nearest(int query, int queryCount, int patchCount,
        BigInteger extent)
    {
        // In units of 1/(2·queryCount): the anchor, the centre of the grid, and the centre of a window that starts at
        // `first`.
        BigInteger anchor = (((2 * (BigInteger)query) + 1) * patchCount) - queryCount;
        BigInteger gridMiddle = ((BigInteger)patchCount - 1) * queryCount;
        BigInteger first = ((anchor / queryCount) - (extent - 1)) / 2 - 3;
        BigInteger best = first;
        for (BigInteger candidate = first; candidate <= first + 6; candidate++)
        {
            int order = Away(candidate, anchor).CompareTo(Away(best, anchor));
            if (order < 0 || (order == 0 && Away(candidate, gridMiddle) <= Away(best, gridMiddle)))
                best = candidate;
        }

        return (best, best + extent - 1);

        BigInteger Away(BigInteger start, BigInteger point)
            => BigInteger.Abs((((2 * start) + extent - 1) * queryCount) - point);
    }

    private static bool Sees(BigInteger patch, int query, int queryCount, int patchCount, int window,
        WindowBorder border)
    {
        BigInteger extent = border == WindowBorder.Shift ? BigInteger.Min(window, patchCount) : window;
        (BigInteger first, BigInteger last) = Nearest(query, queryCount, patchCount, extent);
        if (border == WindowBorder.Shift && first < 0)
            (first, last) = (BigInteger.Zero, last - first);
        if (border == WindowBorder.Shift && last >= patchCount)
            (first, last) = (first - (last - (patchCount - 1)), patchCount - 1);
        return patch >= 0 && patch < patchCount && patch >= first && patch <= last;
    }

    // Derived by hand from the definition: the anchors of 12 queries on 24 patches are 0.5, 2.5, …, 22.5.
    [TestCase(0, 1, 1, 1, WindowBorder.Clip, 0, 1)]
    [TestCase(0, 1, 1, 5, WindowBorder.Clip, 0, 1)]
    [TestCase(0, 1, 1, 5, WindowBorder.Shift, 0, 1)]
    [TestCase(0, 12, 24, 4, WindowBorder.Clip, 0, 3)]
    [TestCase(1, 12, 24, 4, WindowBorder.Clip, 1, 5)]
    [TestCase(11, 12, 24, 4, WindowBorder.Clip, 21, 24)]
    [TestCase(0, 12, 24, 4, WindowBorder.Shift, 0, 4)]
    [TestCase(11, 12, 24, 4, WindowBorder.Shift, 20, 24)]
    // Ties between centres at 0 and 1 and at 22 and 23: the inner one is chosen.
    [TestCase(0, 12, 24, 3, WindowBorder.Clip, 0, 3)]
    [TestCase(11, 12, 24, 3, WindowBorder.Clip, 21, 24)]
    [TestCase(0, 12, 24, 5, WindowBorder.Clip, 0, 4)]
    [TestCase(11, 12, 24, 5, WindowBorder.Clip, 20, 24)]
    [TestCase(0, 12, 24, 5, WindowBorder.Shift, 0, 5)]
    // The anchor of the middle query of three is 3: windows of 2 that start at 2 and at 3 are equally near to it and
    // to the centre.
    [TestCase(1, 3, 7, 2, WindowBorder.Clip, 3, 5)]
    [TestCase(1, 3, 7, 1, WindowBorder.Clip, 3, 4)]
    [TestCase(2, 3, 7, 1, WindowBorder.Clip, 5, 6)]
    // One query on 4 patches has the anchor 1.5.
    [TestCase(0, 1, 4, 2, WindowBorder.Clip, 1, 3)]
    [TestCase(0, 1, 4, 1, WindowBorder.Clip, 2, 3)]
    // The anchors of 5 queries on 2 patches: −0.3, 0.1, 0.5, 0.9, 1.3.
    [TestCase(0, 5, 2, 1, WindowBorder.Clip, 0, 1)]
    [TestCase(2, 5, 2, 1, WindowBorder.Clip, 1, 2)]
    [TestCase(2, 5, 2, 2, WindowBorder.Clip, 0, 2)]
    [TestCase(0, 5, 2, 2, WindowBorder.Clip, 0, 1)]
    [TestCase(4, 5, 2, 2, WindowBorder.Clip, 1, 2)]
    [TestCase(2, 5, 2, 2, WindowBorder.Shift, 0, 2)]
    [TestCase(0, 2, 10, 100, WindowBorder.Clip, 0, 10)]
    [TestCase(0, 2, 10, 9, WindowBorder.Clip, 0, 7)]
    [TestCase(1, 2, 10, 9, WindowBorder.Clip, 3, 10)]
    [TestCase(1, 2, 10, 9, WindowBorder.Shift, 1, 10)]
    public void Windows_equal_those_derived_by_hand(
        int query, int queryCount, int patchCount, int window, WindowBorder border,
        int start, int end) => Assert.That(ScopeGeometry.Window(query, queryCount, patchCount, window, border),
            Is.EqualTo(new AxisRange(start, end)));

    /// <summary>A mirrored image has mirrored windows, except for a tie of the middle query.</summary>
    [Test]
    public void Mirrored_queries_have_mirrored_windows([Values] WindowBorder border)
    {
        int tieCount = 0;
        for (int patchCount = 1; patchCount <= 40; patchCount++)
        {
            for (int queryCount = 1; queryCount <= 15; queryCount++)
            {
                for (int window = 1; window <= 40; window++)
                {
                    for (int query = 0; query < queryCount; query++)
                    {
                        AxisRange range = ScopeGeometry.Window(query, queryCount, patchCount, window, border);
                        AxisRange twin = ScopeGeometry.Window(queryCount - 1 - query, queryCount, patchCount, window,
                            border);
                        // The anchor of the middle query is the centre of the grid: there is a tie if one of the
                        // window and the grid is even and the other odd.
                        bool isTie = (2 * query) + 1 == queryCount && (patchCount - window) % 2 != 0;
                        tieCount += isTie ? 1 : 0;
                        if (!isTie && range != new AxisRange(patchCount - twin.End, patchCount - twin.Start))
                            Assert.Fail($"query {query} of {queryCount}, window {window} of {patchCount}: {range}, " +
                                $"its twin {twin}");
                    }
                }
            }
        }

        // 8 odd query counts, and half of all pairs of a grid and a window.
        Assert.That(tieCount, Is.EqualTo(8 * 40 * 40 / 2));
    }

    [Test]
    public void Every_small_window_equals_the_definition([Values] WindowBorder border)
    {
        for (int queryCount = 1; queryCount <= 7; queryCount++)
            for (int query = 0; query < queryCount; query++)
                for (int patchCount = 1; patchCount <= 9; patchCount++)
                    for (int window = 1; window <= 12; window++)
                    {
                        AxisRange range = ScopeGeometry.Window(query, queryCount, patchCount, window, border);
                        for (int patch = -2; patch < patchCount + 2; patch++)
                            if (range.Contains(patch) != Sees(patch, query, queryCount, patchCount, window, border))
                                Assert.Fail($"query {query} of {queryCount}, window {window}, " +
                                    $"patch {patch} of {patchCount}");
                    }
    }

    [Test]
    public void Extreme_extents_do_not_overflow()
    {
        Gen<int> extent = Gen.OneOf(Gen.Int[1, 2], Gen.Int[int.MaxValue - 1, int.MaxValue], Gen.Int[1, int.MaxValue]);
        Property.ForAll(
            Gen.Select(extent, extent, extent, Gen.Double.Unit, s_border),
            20_000,
            sample =>
            {
                (int queryCount, int patchCount, int window, double position, WindowBorder border) = sample;
                int query = Math.Min((int)(position * queryCount), queryCount - 1);
                AxisRange range = ScopeGeometry.Window(query, queryCount, patchCount, window, border);
                return range.Count > 0
                    && Sees(range.Start, query, queryCount, patchCount, window, border)
                    && Sees(range.End - 1, query, queryCount, patchCount, window, border)
                    && !Sees((BigInteger)range.Start - 1, query, queryCount, patchCount, window, border)
                    && !Sees(range.End, query, queryCount, patchCount, window, border);
            });
    }

    [TestCase(ScopeUnits.Patches, 7, 3, 7)]
    [TestCase(ScopeUnits.Patches, int.MaxValue, 3, int.MaxValue)]
    [TestCase(ScopeUnits.Fraction, 0.25, 24, 6)]
    [TestCase(ScopeUnits.Fraction, 0.5, 5, 3)]
    [TestCase(ScopeUnits.Fraction, 0.3, 5, 2)]
    [TestCase(ScopeUnits.Fraction, 0.29, 5, 1)]
    [TestCase(ScopeUnits.Fraction, 0.001, 5, 1)]
    [TestCase(ScopeUnits.Fraction, 1, 17, 17)]
    [TestCase(ScopeUnits.Fraction, 2.5, 3, 8)]
    [TestCase(ScopeUnits.Fraction, 1e300, int.MaxValue, int.MaxValue)]
    [TestCase(ScopeUnits.Fraction, double.Epsilon, int.MaxValue, 1)]
    public void Window_extents_are_rounded_and_limited_by_the_grid(
        ScopeUnits units, double window, int patchCount, int expected)
        => Assert.That(ScopeGeometry.WindowExtent(units, window, patchCount), Is.EqualTo(expected));

    [TestCase(0, 12, 24, 0.5)]
    [TestCase(11, 12, 24, 22.5)]
    [TestCase(0, 1, 1, 0)]
    [TestCase(0, 4, 2, -0.25)]
    [TestCase(1, 3, 7, 3)]
    public void Anchors(int query, int queryCount, int patchCount, double expected)
        => Assert.That(ScopeGeometry.Anchor(query, queryCount, patchCount), Is.EqualTo(expected));

    [Test]
    public void Every_query_sees_exactly_the_patches_of_its_window()
    {
        Gen<QueryGrid> queries =
            Gen.Select(Gen.Int[1, 9], Gen.Int[1, 9], (rows, columns) => new QueryGrid(rows, columns));
        Gen<PatchGrid> grids = Gen.OneOf(
            Gen.Select(Gen.Int[1, 13], Gen.Int[1, 13], (rows, columns) => new PatchGrid(rows, columns)),
            Gen.Int[1, 40].Select(count => new PatchGrid(1, count)),
            Gen.Int[1, 40].Select(count => new PatchGrid(count, 1)));
        Gen<ScopeConfig> scopes = Gen.OneOf(
            Gen.Const(Configs.None),
            Gen.Const(Configs.Gaussian(2, 3)),
            Gen.Select(Gen.Int[1, 20], Gen.Int[1, 20], s_border, (rows, columns, border)
                => Configs.Window(rows, columns, border)),
            Gen.Select(Gen.Int[1, 20], Gen.Int[1, 20], s_border, (rows, columns, border)
                => Configs.Gaussian(2, 3, new AxisPair(rows, columns)) with { Border = border }),
            Gen.Select(Gen.Double[0.001, 1.5], Gen.Double[0.001, 1.5], s_border, (rows, columns, border)
                => Configs.Window(rows, columns, border, ScopeUnits.Fraction)));

        Property.ForAll(Gen.Select(scopes, queries, grids), 3000,
            sample => HoldsExactly(sample.Item1, sample.Item2, sample.Item3));
    }

    private static bool HoldsExactly(ScopeConfig scope, QueryGrid queries, PatchGrid grid)
    {
        ScopeWindows windows = ScopeWindows.Resolve(scope, queries, grid);
        long pairCount = 0;
        for (int qi = 0; qi < queries.Rows; qi++)
        {
            for (int qj = 0; qj < queries.Columns; qj++)
            {
                long seenCount = 0;
                for (int i = 0; i < grid.Rows; i++)
                {
                    for (int j = 0; j < grid.Columns; j++)
                    {
                        bool sees = scope.Window is not { } window
                            || (Sees(i, qi, queries.Rows, grid.Rows, Extent(scope, window.Rows, grid.Rows),
                                scope.Border)
                                && Sees(j, qj, queries.Columns, grid.Columns,
                                    Extent(scope, window.Columns, grid.Columns), scope.Border));
                        if (sees != (windows.Rows[qi].Contains(i) && windows.Columns[qj].Contains(j)))
                            return false;
                        seenCount += sees ? 1 : 0;
                    }
                }

                bool isWhole = scope.Border != WindowBorder.Shift || scope.Window is not { } shifted || seenCount ==
                    (long)Math.Min(Extent(scope, shifted.Rows, grid.Rows), grid.Rows)
                        * Math.Min(Extent(scope, shifted.Columns, grid.Columns), grid.Columns);
                if (seenCount == 0 || !isWhole)
                    return false;
                pairCount += seenCount;
            }
        }

        return windows.Rows.Count == queries.Rows && windows.Columns.Count == queries.Columns && windows.Grid == grid
            && windows.PairCount == pairCount && windows.IsDense == (pairCount == queries.QueryCount * grid.PatchCount);
    }

    private static int Extent(ScopeConfig scope, double window, int patchCount) => scope.Units == ScopeUnits.Patches
        ? (int)window : Math.Max(1, (int)Math.Floor((window * patchCount) + 0.5));
}
