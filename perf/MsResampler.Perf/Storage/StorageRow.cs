namespace MsResampler.Perf.Storage;

/// <summary>The figures of one model and one way to keep its weights.</summary>
/// <param name="WeightBytes">Memory of the weights.</param>
/// <param name="Calls">The times of a call for each batch, in milliseconds.</param>
/// <param name="PrepareMs">The time to read and pack all weights in a new process.</param>
/// <param name="FirstMs">The time of the first call in a new process.</param>
internal sealed record StorageRow(long WeightBytes, IReadOnlyList<Spread> Calls, double PrepareMs, double FirstMs);
