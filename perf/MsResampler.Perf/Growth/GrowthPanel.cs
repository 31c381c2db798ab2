namespace MsResampler.Perf.Growth;

/// <summary>Series over the same sizes. The report shows them as a table and as a panel of the plot.</summary>
/// <param name="Title">The size that grows and the sizes that are constant.</param>
/// <param name="SizeLabel">The name of the size that grows.</param>
/// <param name="Series">The series; all have the same sizes.</param>
internal sealed record GrowthPanel(string Title, string SizeLabel, IReadOnlyList<GrowthSeries> Series);
