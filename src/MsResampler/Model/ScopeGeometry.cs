namespace MsResampler.Model;

/// <summary>Which patches a query sees. Every scope is a rectangle, rows and columns are independent, and membership
/// is decided in integer arithmetic alone.</summary>
public static class ScopeGeometry
{
    /// <summary>The window in patches along one axis: as given, or for a fraction
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

    /// <summary>The patches along one axis that a query sees: the window whose middle is nearest to the query's anchor,
    /// cut at the grid's edge or moved inside. Never empty, and mirrored queries have mirrored windows.</summary>
    /// <remarks>A window from <c>lo</c> has its middle at the anchor where <c>lo = t / 2·queryCount</c> with <c>t =
    /// (2·queryIndex+1)·patchCount − windowExtent·queryCount</c>. Where two are equally near, the one nearer the grid's
    /// middle is taken; the query in the very middle takes the later one.</remarks>
    /// <param name="queryIndex">qi or qj, from 0.</param>
    /// <param name="queryCount">gh or gw.</param>
    /// <param name="patchCount">H or W.</param>
    /// <param name="windowExtent">The window in patches, at least 1.</param>
    /// <param name="border">What happens at the grid's edge.</param>
    public static AxisRange Window(int queryIndex, int queryCount, int patchCount, int windowExtent,
        WindowBorder border)
    {
        long extent = border == WindowBorder.Shift ? Math.Min(windowExtent, patchCount) : windowExtent;
        // Extents are below 2³¹, so this is less than 2⁶³ and not less than −2⁶².
        long doubled = (((2L * queryIndex) + 1) * patchCount) - ((extent - 1) * queryCount);
        (long start, long rest) = Math.DivRem(doubled, 2L * queryCount);
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
