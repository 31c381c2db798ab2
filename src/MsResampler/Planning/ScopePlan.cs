using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>How a scope forms its keys or its values.</summary>
internal enum ProjectionStrategy
{
    /// <summary>Every patch is projected once, with 2·N·D² operations.</summary>
    Projected,

    /// <summary>The projection is moved to the query side. Keys: <c>Q·(Wk·z) = (Wkᵀ·Q)·z</c>, where <c>Wkᵀ·Q</c>
    /// is computed when the model is loaded. Values: <c>Σ p·(Wv·z) = Wv·(Σ p·z)</c>. With w patches per query
    /// either takes about 2·M·A·w·D operations, values another 2·M·D². This is less than projecting if windows
    /// are narrow.</summary>
    Absorbed,
}

/// <summary>The plan of one scope on one patch grid.</summary>
/// <param name="Windows">The window of each query.</param>
/// <param name="Keys">The strategy of the keys.</param>
/// <param name="Values">The strategy of the values. Projected keys imply projected values.</param>
/// <param name="Tiles">If keys are projected, the tiles of queries, each with its rectangle of patches. Empty if
/// keys are absorbed: then every query reads exactly its own window.</param>
/// <param name="AttentionFlops">Operations of logits and weighted sums as executed, including absorbed projections.
///</param>
internal sealed record ScopePlan(ScopeWindows Windows, ProjectionStrategy Keys, ProjectionStrategy Values,
    IReadOnlyList<QueryTile> Tiles, double AttentionFlops);
