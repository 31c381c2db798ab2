using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Costs;

/// <summary>The report of the command <c>costs</c>.</summary>
/// <param name="Scopes">The timed scopes.</param>
internal sealed record CostReport(IReadOnlyList<ScopeCosts> Scopes)
{
    public string ToMarkdown(string description)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        double[] speeds = [.. Scopes.Select(scope => scope.GemmGflops).Order()];
        StringBuilder text = new();
        text.Append("# The planner's predicted costs and measured times\n\n").Append(description);
        text.Append(culture, $"""
            - matrix product {Kernels.GemmShape.KeysAndValues}, one thread, timed in turns with the rows of the table:
              {speeds[0]:0} to {speeds[^1]:0} GFLOP/s
            - the planner chose the fastest strategy for {Scopes.Count(scope => scope.Regret == 0)} of {Scopes.Count}
              scopes; its worst choice costs {Scopes.Max(scope => scope.Regret):0.0%} of the call

            One image, one thread. Each row uses one strategy for one scope and the planner's strategies for the other
            scopes; the tokens are the same. Times are in ms. Predicted: the planner's cost of the scope's projections
            and attention, at the measured speed of the matrix product. Measured: median (10th–90th percentile) of the
            whole call. Δ: difference from projected/projected. Loss: extra time compared with the fastest strategy.
            Bold: the planner's choice.

            | shape | scope | pairs | keys/values | predicted | measured | predicted Δ | measured Δ | loss |
            |---|---|--:|---|--:|--:|--:|--:|--:|

            """);
        foreach (ScopeCosts scope in Scopes)
        {
            CostRow first = scope.Rows[0];
            foreach (CostRow row in scope.Rows)
            {
                string mark = row.Strategy == scope.Chosen ? "**" : "";
                text.Append(culture, $"| {scope.Shape} | {scope.Scope} | {scope.PairCount:N0} ");
                text.Append(culture, $"| {mark}{row.Strategy}{mark} | {row.PredictedMs:0.00} ");
                text.Append(culture, $"| {row.Times.Median:0.00} ({row.Times.P10:0.00}–{row.Times.P90:0.00}) ");
                text.Append(culture, $"| {row.PredictedMs - first.PredictedMs:+0.00;−0.00;0} ");
                text.Append(culture, $"| {row.Times.Median - first.Times.Median:+0.00;−0.00;0} ");
                text.Append(culture, $"| {mark}{scope.Loss(row):0.0%}{mark} |\n");
            }
        }

        return text.ToString();
    }
}
