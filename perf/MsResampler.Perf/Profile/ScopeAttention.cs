namespace MsResampler.Perf.Profile;

/// <summary>The attention of one scope in a call.</summary>
/// <param name="Label">The scope and how it forms keys.</param>
/// <param name="TaskCount">The number of tasks.</param>
/// <param name="BusyMs">Their time, summed over the threads.</param>
/// <param name="Work">Their work.</param>
internal sealed record ScopeAttention(string Label, int TaskCount, double BusyMs, StageWork Work);
