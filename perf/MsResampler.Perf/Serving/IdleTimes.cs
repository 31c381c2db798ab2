namespace MsResampler.Perf.Serving;

/// <summary>The times of single calls without other load, in milliseconds.</summary>
/// <param name="Library">In the measuring process.</param>
/// <param name="Rest">Over REST.</param>
/// <param name="Grpc">Over gRPC.</param>
internal sealed record IdleTimes(Spread Library, Spread Rest, Spread Grpc);
