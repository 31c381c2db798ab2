namespace MsResampler.Planning;

/// <summary>How a scope forms its keys and its values.</summary>
/// <param name="Keys">Its keys.</param>
/// <param name="Values">Its values; never absorbed where keys are projected.</param>
internal readonly record struct ScopeStrategy(ProjectionStrategy Keys, ProjectionStrategy Values)
{
    /// <summary>Every strategy there is; the first is what every backend can do.</summary>
    public static IReadOnlyList<ScopeStrategy> All { get; } =
    [
        new(ProjectionStrategy.Projected, ProjectionStrategy.Projected),
        new(ProjectionStrategy.Absorbed, ProjectionStrategy.Projected),
        new(ProjectionStrategy.Absorbed, ProjectionStrategy.Absorbed),
    ];

    /// <summary>Keys and values, such as <c>absorbed/projected</c>.</summary>
    public override string ToString() => $"{Keys}/{Values}".ToLowerInvariant();
}
