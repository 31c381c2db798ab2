namespace MsResampler.Planning;

/// <summary>How a scope forms its keys and its values.</summary>
/// <param name="Keys">The strategy of the keys.</param>
/// <param name="Values">The strategy of the values. Projected keys imply projected values.</param>
internal readonly record struct ScopeStrategy(ProjectionStrategy Keys, ProjectionStrategy Values)
{
    /// <summary>All strategies. Every backend implements the first.</summary>
    public static IReadOnlyList<ScopeStrategy> All { get; } =
    [
        new(ProjectionStrategy.Projected, ProjectionStrategy.Projected),
        new(ProjectionStrategy.Absorbed, ProjectionStrategy.Projected),
        new(ProjectionStrategy.Absorbed, ProjectionStrategy.Absorbed),
    ];

    /// <summary>Keys and values, such as <c>absorbed/projected</c>.</summary>
    public override string ToString() => $"{Keys}/{Values}".ToLowerInvariant();
}
