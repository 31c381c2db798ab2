namespace MsResampler.Perf.Profile;

/// <summary>A measured case.</summary>
/// <param name="Case">The case.</param>
/// <param name="Profile">Its times.</param>
/// <param name="Work">The work of each stage, in the order of the profile.</param>
/// <param name="Attention">The attention of each scope.</param>
/// <param name="AreWeightsCached">Whether the weights fit the third-level cache.</param>
internal sealed record ProfileRow(ProfileCase Case, CallProfile Profile, IReadOnlyList<StageWork> Work,
    IReadOnlyList<ScopeAttention> Attention, bool AreWeightsCached);
