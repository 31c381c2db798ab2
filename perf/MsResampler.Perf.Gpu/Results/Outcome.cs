namespace MsResampler.Perf.Results;

/// <summary>What became of a row of the GPU bundle's results.</summary>
internal enum Outcome
{
    Passed,
    Failed,
    Skipped,
}
