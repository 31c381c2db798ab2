using MsResampler.Perf.Measuring;
using MsResampler.Planning;

namespace MsResampler.Perf.Costs;

/// <summary>One strategy of one scope: what the planner predicts for its projections and attention, and what a whole
/// call takes.</summary>
/// <param name="Strategy">The strategy.</param>
/// <param name="PredictedMs">The predicted cost at the measured speed of a matrix product.</param>
/// <param name="Times">Calls with this scope's strategy forced; the other scopes have the planner's.</param>
internal sealed record CostRow(ScopeStrategy Strategy, double PredictedMs, Samples Times);
