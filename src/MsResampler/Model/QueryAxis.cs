namespace MsResampler.Model;

/// <summary>The window and the anchor of a query along one axis of a patch grid, as integers in units of
/// 1/(2·queryCount) patch. Integers compare distances exactly, so patches at equal distances have the same
/// bias.</summary>
internal readonly struct QueryAxis
{
    /// <param name="window">The visible patches; at least one.</param>
    /// <param name="query">The index of the query along the axis.</param>
    /// <param name="queryCount">gh or gw.</param>
    /// <param name="patchCount">H or W.</param>
    public QueryAxis(AxisRange window, int query, int queryCount, int patchCount)
    {
        Window = window;
        Unit = 2L * queryCount;
        Anchor = (((2L * query) + 1) * patchCount) - queryCount;
        // The nearer of the two patches around the anchor, clamped to the window.
        long below = Math.DivRem(Anchor, Unit, out long beyond);
        Nearest = (int)Math.Clamp(2 * beyond > Unit ? below + 1 : below, window.Start, window.End - 1);
    }

    /// <summary>The visible patches.</summary>
    public AxisRange Window { get; }

    /// <summary>The number of units of a patch.</summary>
    public long Unit { get; }

    /// <summary>The anchor in units.</summary>
    public long Anchor { get; }

    /// <summary>The visible patch that is nearest to the anchor.</summary>
    public int Nearest { get; }

    /// <summary>The bias at a patch: −(d² − n²)·scale, where d and n are the distances of the patch and of the
    /// nearest patch from the anchor; −∞ outside the window.</summary>
    public double At(int patch, double scale)
    {
        if (!Window.Contains(patch))
            return double.NegativeInfinity;
        // d² − n² = (d − n)·(d + n) with signed distances, so that d − n is a whole number of patches.
        long sum = (patch * Unit) - Anchor + (Nearest * Unit) - Anchor;
        double excess = (double)(patch - Nearest) * sum / Unit;
        return excess == 0 ? 0 : -excess * scale;
    }

    /// <summary>The bias of the nearest patch: −(n/σ)²/2 in base 2.</summary>
    public double Offset(double sigma)
    {
        long distance = (Nearest * Unit) - Anchor;
        double deviations = (double)distance / Unit / sigma;
        return distance == 0 ? 0 : -deviations * deviations * Base2.Log2E / 2;
    }
}
