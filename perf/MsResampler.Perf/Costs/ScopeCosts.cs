namespace MsResampler.Perf.Costs;

/// <summary>The strategies of a scope, timed in turns.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Scope">The scope's name.</param>
/// <param name="PairCount">The number of pairs of a query and a patch in its window.</param>
/// <param name="GemmGflops">The measured speed of a matrix product, in 10⁹ operations per second.</param>
/// <param name="Chosen">The planner's choice.</param>
/// <param name="Rows">The strategies.</param>
internal sealed record ScopeCosts(string Shape, string Scope, long PairCount, double GemmGflops, ScopeStrategy Chosen,
    IReadOnlyList<CostRow> Rows)
{
    /// <summary>The row with the shortest time.</summary>
    public CostRow Fastest => Rows.MinBy(row => row.Times.Median)!;

    /// <summary>The extra time of the planner's choice, as a share of the fastest call.</summary>
    public double Regret => Loss(Rows.Single(row => row.Strategy == Chosen));

    /// <summary>The extra time of a row, as a share of the fastest call.</summary>
    public double Loss(CostRow row) => (row.Times.Median / Fastest.Times.Median) - 1;
}
