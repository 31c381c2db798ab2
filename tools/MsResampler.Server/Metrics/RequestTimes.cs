namespace MsResampler.Server.Metrics;

/// <summary>Where the time of a request went.</summary>
/// <param name="Total">From the end of its body to the answer.</param>
/// <param name="Queue">Waiting for the first of its batches.</param>
/// <param name="Input">Encoding its pictures and gathering its features.</param>
/// <param name="Infer">Computing its batches.</param>
/// <param name="Output">Distributing its tokens.</param>
internal readonly record struct RequestTimes(TimeSpan Total, TimeSpan Queue, TimeSpan Input, TimeSpan Infer,
    TimeSpan Output);
