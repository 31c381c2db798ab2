namespace MsResampler.Perf.Growth;

/// <summary>One size of a series.</summary>
/// <param name="Size">The size.</param>
/// <param name="Times">The time of a call.</param>
/// <param name="Flops">Operations that the engine's plan executes in a call; 0 where they are not counted.</param>
internal readonly record struct GrowthPoint(int Size, Spread Times, double Flops = 0);
