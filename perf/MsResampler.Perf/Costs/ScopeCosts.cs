using MsResampler.Planning;

namespace MsResampler.Perf.Costs;

/// <summary>The strategies of one scope, timed in turns.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Scope">The scope's name.</param>
/// <param name="PairCount">Pairs of query and patch in its windows.</param>
/// <param name="GemmGflops">Measured speed of a matrix product, in 10⁹ operations per second.</param>
/// <param name="Chosen">The planner's choice.</param>
/// <param name="Rows">The strategies.</param>
internal sealed record ScopeCosts(string Shape, string Scope, long PairCount, double GemmGflops, ScopeStrategy Chosen,
    IReadOnlyList<CostRow> Rows)
{
    /// <summary>The row that took the least time.</summary>
    public CostRow Fastest => Rows.MinBy(row => row.Times.Median)!;

    /// <summary>By how much of the fastest call the planner's choice is slower.</summary>
    public double Regret => Loss(Rows.Single(row => row.Strategy == Chosen));

    /// <summary>By how much of the fastest call a row is slower.</summary>
    public double Loss(CostRow row) => (row.Times.Median / Fastest.Times.Median) - 1;
}
