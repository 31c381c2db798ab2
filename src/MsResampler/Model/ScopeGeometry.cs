namespace MsResampler.Model;

/// <summary>Computes the range of patches along one axis that a query attends to. Rows and columns are independent, and
/// all decisions use integer arithmetic.</summary>
public static class ScopeGeometry
{
    /// <summary>The extent of a window along one axis, in patches. A fraction is converted to
    /// <c>max(1, ⌊fraction·patchCount + ½⌋)</c> in double precision.</summary>
    /// <param name="units">The unit of <paramref name="window"/>.</param>
    /// <param name="window">The configured window along this axis, positive.</param>
    /// <param name="patchCount">H or W.</param>
    public static int WindowExtent(ScopeUnits units, double window, int patchCount)
    {
        if (units == ScopeUnits.Patches)
            return (int)window;
        double extent = Math.Floor((window * patchCount) + 0.5);
        return extent < 1 ? 1 : extent > int.MaxValue ? int.MaxValue : (int)extent;
    }

    /// <summary>The window of a query along one axis: the range of <paramref name="windowExtent"/> patches whose
    /// midpoint is nearest to the query's anchor, cut at the edge of the grid or moved inside. It is never empty,
    /// and mirrored queries have mirrored windows.</summary>
    /// <remarks>A window that starts at <c>lo = t / (2·queryCount)</c>, with <c>t = (2·queryIndex+1)·patchCount −
    /// windowExtent·queryCount</c>, is centred on the anchor. If two windows are equally near, the one nearer to the
    /// centre of the grid is used; for the query at the centre, the later one.</remarks>
    /// <param name="queryIndex">qi or qj, from 0.</param>
    /// <param name="queryCount">gh or gw.</param>
    /// <param name="patchCount">H or W.</param>
    /// <param name="windowExtent">The window in patches, at least 1.</param>
    /// <param name="border">The treatment of a window that extends beyond the grid.</param>
    public static AxisRange Window(int queryIndex, int queryCount, int patchCount, int windowExtent,
        WindowBorder border)
    {
        long extent = border == WindowBorder.Shift ? Math.Min(windowExtent, patchCount) : windowExtent;
        // The start is lo rounded to the nearest integer, ⌊(t + queryCount) / (2·queryCount)⌋. Extents are below
        // 2³¹, so the numerator is between −2⁶² and 2⁶³.
        long numerator = (((2L * queryIndex) + 1) * patchCount) - ((extent - 1) * queryCount);
        (long start, long rest) = Math.DivRem(numerator, 2L * queryCount);
        if (rest < 0 || (rest == 0 && (2L * queryIndex) + 1 > queryCount))
            start--;
        if (border == WindowBorder.Shift)
        {
            start = Math.Clamp(start, 0, patchCount - extent);
            return new AxisRange((int)start, (int)(start + extent));
        }

        return new AxisRange((int)Math.Max(start, 0), (int)Math.Min(start + extent, patchCount));
    }

    /// <summary>The anchor of a query along one axis in patch coordinates: <c>(queryIndex+½)·patchCount/queryCount −
    /// ½</c>.</summary>
    public static double Anchor(int queryIndex, int queryCount, int patchCount)
        => ((queryIndex + 0.5) * patchCount / queryCount) - 0.5;
}
