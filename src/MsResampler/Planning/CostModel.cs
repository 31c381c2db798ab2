namespace MsResampler.Planning;

/// <summary>What a backend's kernels cost, in units of one floating-point operation at its full matrix-product speed.
/// Planning compares alternatives with it; no result depends on its accuracy.</summary>
/// <param name="LaneWidths">The tile widths the backend has, in queries (or heads) computed at once, ascending.</param>
/// <param name="LaneEfficiencies">For each width, the share of full speed that its register tile reaches.</param>
internal sealed record CostModel(int[] LaneWidths, double[] LaneEfficiencies)
{
    /// <summary>Share of full speed of a weighted sum computed one row at a time.</summary>
    public double RowEfficiency { get; init; } = 0.35;

    /// <summary>Share of full speed of absorbed values, whose inner dimension is one window.</summary>
    public double AbsorbedValueEfficiency { get; init; } = 0.6;

    /// <summary>Cost of one logit beside its dot product: bias, exponential, sums.</summary>
    public double LogitCost { get; init; } = 40;

    /// <summary>Whether the backend can absorb projections; if not, every scope's keys and values are
    /// projected.</summary>
    public bool CanAbsorb { get; init; } = true;

    /// <summary>The narrowest available width that holds <paramref name="count"/>, or the widest.</summary>
    public int LaneWidth(int count)
    {
        foreach (int width in LaneWidths)
            if (count <= width)
                return width;
        return LaneWidths[^1];
    }

    /// <summary>The share of full speed at a width of <see cref="LaneWidths"/>.</summary>
    public double Efficiency(int laneWidth) => LaneEfficiencies[Array.IndexOf(LaneWidths, laneWidth)];

    /// <summary><paramref name="count"/> lanes as executed: whole widest tiles and a narrower last one.</summary>
    public int PaddedLanes(int count)
    {
        int widest = LaneWidths[^1];
        int rest = count % widest;
        return count - rest + (rest == 0 ? 0 : LaneWidth(rest));
    }
}
