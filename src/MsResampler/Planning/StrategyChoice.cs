namespace MsResampler.Planning;

/// <summary>The alternatives of one scope, or of several scopes that share keys and values and therefore one
/// strategy.</summary>
/// <param name="Scopes">The indices of the scopes.</param>
/// <param name="Alternatives">Every strategy with the predicted cost of projections and attention, in the unit of
/// <see cref="CostModel"/>.</param>
internal sealed record StrategyChoice(IReadOnlyList<int> Scopes,
    IReadOnlyList<(ScopeStrategy Strategy, double Cost)> Alternatives)
{
    /// <summary>The strategy of lowest cost.</summary>
    public ScopeStrategy Cheapest => Alternatives.MinBy(alternative => alternative.Cost).Strategy;
}
