namespace MsResampler.Perf.Costs;

/// <summary>A strategy of a scope, with its predicted cost and the measured time of the whole call.</summary>
/// <param name="Strategy">The strategy.</param>
/// <param name="PredictedMs">The predicted time of the scope's projections and attention, at the measured speed of a
/// matrix product.</param>
/// <param name="Times">The time of calls with this strategy. The other scopes use the planner's strategies.</param>
internal sealed record CostRow(ScopeStrategy Strategy, double PredictedMs, Spread Times);
