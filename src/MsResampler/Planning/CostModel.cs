namespace MsResampler.Planning;

/// <summary>What a backend's kernels cost, in units of one floating-point operation at its full matrix-product speed.
/// Planning compares alternatives with it; no result depends on its accuracy.</summary>
/// <remarks>The defaults are those of the CPU kernels, from the time of each on one core with 512-bit vectors (a matrix
/// product there does 240 GFLOP/s), with 4 to 64 heads of 16 to 128 channels, windows of 2×2 to all of 24×24 to 48×48
/// patches. <c>costs</c> in <c>perf/</c> holds the sums of them against the clock.</remarks>
/// <param name="LaneWidths">The tile widths the backend has, in queries (or heads) computed at once, ascending.</param>
/// <param name="LaneEfficiencies">For each width, the share of full speed that its register tile reaches.</param>
internal sealed record CostModel(int[] LaneWidths, double[] LaneEfficiencies)
{
    /// <summary>Share of full speed of a weighted sum computed one row at a time, counting whole tiles of channels:
    /// 0.17 to 0.18 with heads of 64 to 128 channels, 0.15 from outside the second-level cache.</summary>
    public double RowEfficiency { get; init; } = 0.17;

    /// <summary>Share of full speed of absorbed values, their projection included: 0.86 to 0.93 with 24×24 patches, 0.80
    /// with 48×48.</summary>
    public double AbsorbedValueEfficiency { get; init; } = 0.85;

    /// <summary>Heads that absorbed values compute at once.</summary>
    public int AbsorbedValueHeads { get; init; } = 8;

    /// <summary>Cost of one logit beside its dot product: bias, exponential, sums.</summary>
    public double LogitCost { get; init; } = 40;

    /// <summary>Cost of a float that is read from outside the first-level cache: keys and values by every tile, folded
    /// queries by every query. 30 to 65 for keys and values, the most where tiles are narrow; 25 to 70 for folded
    /// queries.</summary>
    public double ReadCost { get; init; } = 50;

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
