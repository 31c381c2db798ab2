using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>How a scope forms its keys or its values.</summary>
internal enum ProjectionStrategy
{
    /// <summary>Every patch is projected once: 2·N·D² operations.</summary>
    Projected,

    /// <summary>The projection is moved to the query side: <c>Q·(Wk·z) = (Wkᵀ·Q)·z</c> for keys, folded at load, and
    /// <c>Σ p·(Wv·z) = Wv·(Σ p·z)</c> for values. About 2·M·A·w·D operations for w patches a query, and 2·M·D² more for
    /// values: less than projecting when windows are narrow.</summary>
    Absorbed,
}

/// <summary>The plan of one scope on one patch grid.</summary>
/// <param name="Windows">What each query sees.</param>
/// <param name="Keys">How keys are formed.</param>
/// <param name="Values">How values are formed; never absorbed where keys are projected.</param>
/// <param name="Tiles">The schedule when keys are projected: a tile of queries against its rectangle of patches. When
/// keys are absorbed each query has its own exact window and the schedule is empty.</param>
/// <param name="AttentionFlops">Operations of logits and weighted sums as executed, absorbed projections included.
/// </param>
internal sealed record ScopePlan(ScopeWindows Windows, ProjectionStrategy Keys, ProjectionStrategy Values,
    IReadOnlyList<QueryTile> Tiles, double AttentionFlops);
