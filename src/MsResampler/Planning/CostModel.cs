namespace MsResampler.Planning;

/// <summary>The costs of a backend's kernels. The unit is the time of one floating-point operation in a matrix
/// product at full speed. The planner compares alternatives with these costs; inaccurate costs slow an engine
/// down but never change the meaning of its results.</summary>
/// <remarks>The defaults describe the CPU kernels. They were measured for each kernel on one core with 512-bit
/// vectors, where a matrix product reaches 240 GFLOP/s, with 4 to 64 heads of 16 to 128 channels, and with
/// windows from 2×2 patches to the whole grid of 24×24 to 48×48. The command <c>costs</c> of
/// <c>perf/MsResampler.Perf</c> compares predicted with measured times.</remarks>
/// <param name="LaneWidths">The available tile widths in ascending order: queries, or heads, computed at
/// once.</param>
/// <param name="LaneEfficiencies">For each width, the fraction of full speed that its register tile reaches.</param>
internal sealed record CostModel(int[] LaneWidths, double[] LaneEfficiencies)
{
    private readonly double? _tiledLogitCost;
    private readonly double? _tiledReadCost;

    /// <summary>Fraction of full speed of a weighted sum that is computed row by row, with the channels rounded
    /// up to whole tiles. Measured: 0.17 to 0.18 with heads of 64 to 128 channels, 0.15 with values outside the
    /// second-level cache.</summary>
    public double RowEfficiency { get; init; } = 0.17;

    /// <summary>Fraction of full speed of absorbed values, including their projection. Measured: 0.86 to 0.93
    /// with 24×24 patches, 0.80 with 48×48.</summary>
    public double AbsorbedValueEfficiency { get; init; } = 0.85;

    /// <summary>The number of heads for which absorbed values are computed at once.</summary>
    public int AbsorbedValueHeads { get; init; } = 8;

    /// <summary>Cost of one logit in addition to its dot product: bias, exponential, sums.</summary>
    public double LogitCost { get; init; } = 40;

    /// <summary>Cost of reading one float from outside the first-level cache. Every tile reads its keys and
    /// values, every query its folded queries. Measured: 30 to 65 for keys and values, the most with narrow
    /// tiles; 25 to 70 for folded queries.</summary>
    public double ReadCost { get; init; } = 50;

    /// <summary>Cost of one operation of the products of attention with projected keys, where float32 costs
    /// 1.</summary>
    public double TiledProductCost { get; init; } = 1;

    /// <summary>Cost of one logit of attention with projected keys in addition to its dot product; unless given, <see
    /// cref="LogitCost"/>.</summary>
    public double TiledLogitCost
    {
        get => _tiledLogitCost ?? LogitCost;
        init => _tiledLogitCost = value;
    }

    /// <summary>Cost of reading one float of projected keys or values; unless given, <see cref="ReadCost"/>.</summary>
    public double TiledReadCost
    {
        get => _tiledReadCost ?? ReadCost;
        init => _tiledReadCost = value;
    }

    /// <summary>Cost of one channel of a query of a tile, however many keys it has.</summary>
    public double TiledQueryCost { get; init; }

    /// <summary>Cost of one operation of the projection of keys, where float32 costs 1.</summary>
    public double KeyCost { get; init; } = 1;

    /// <summary>Cost of one operation of the projection of values, where float32 costs 1.</summary>
    public double ValueCost { get; init; } = 1;

    /// <summary>Whether the backend implements absorbed projections. If false, the planner projects keys and
    /// values of every scope.</summary>
    public bool CanAbsorb { get; init; } = true;

    /// <summary>The smallest available width of at least <paramref name="count"/>, or the largest width.</summary>
    public int LaneWidth(int count)
    {
        foreach (int width in LaneWidths)
            if (count <= width)
                return width;
        return LaneWidths[^1];
    }

    /// <summary>The fraction of full speed at a width of <see cref="LaneWidths"/>.</summary>
    public double Efficiency(int laneWidth) => LaneEfficiencies[Array.IndexOf(LaneWidths, laneWidth)];

    /// <summary>The number of lanes executed for <paramref name="count"/>: tiles of the largest width, and a
    /// narrower tile for the remainder.</summary>
    public int PaddedLanes(int count)
    {
        int widest = LaneWidths[^1];
        int rest = count % widest;
        return count - rest + (rest == 0 ? 0 : LaneWidth(rest));
    }
}
