namespace MsResampler.Planning;

/// <summary>The alternatives of one scope, or of scopes that share their keys and values and so have one strategy.
/// </summary>
/// <param name="Scopes">The indices of the scopes.</param>
/// <param name="Alternatives">Every strategy with the predicted cost of projections and attention, in the unit of
/// <see cref="CostModel"/>.</param>
internal sealed record StrategyChoice(IReadOnlyList<int> Scopes,
    IReadOnlyList<(ScopeStrategy Strategy, double Cost)> Alternatives)
{
    /// <summary>The strategy that a plan takes.</summary>
    public ScopeStrategy Cheapest => Alternatives.MinBy(alternative => alternative.Cost).Strategy;
}
