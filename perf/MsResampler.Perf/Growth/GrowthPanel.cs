namespace MsResampler.Perf.Growth;

/// <summary>Series that grow in the same size: a table, and a panel of the plot.</summary>
/// <param name="Title">What grows and what stays.</param>
/// <param name="SizeLabel">The size that grows.</param>
/// <param name="Series">The series, all at the same sizes.</param>
internal sealed record GrowthPanel(string Title, string SizeLabel, IReadOnlyList<GrowthSeries> Series);
