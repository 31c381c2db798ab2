using System.Collections.Concurrent;
using System.Diagnostics;

namespace MsResampler.Perf.Serving;

/// <summary>Many connections that each send one request after another.</summary>
internal static class ServingLoad
{
    private static readonly TimeSpan s_answerLimit = TimeSpan.FromSeconds(60);

    /// <summary>Loads a server for a while. Every answer is checked.</summary>
    /// <param name="server">The server.</param>
    /// <param name="isGrpc">Whether the requests are of gRPC.</param>
    /// <param name="calls">The requests, in turns; each has one image.</param>
    /// <param name="connectionCount">The number of connections.</param>
    /// <param name="duration">The time that is measured.</param>
    /// <exception cref="InvalidDataException">An answer is wrong.</exception>
    public static async Task<ServingRate> RunAsync(ServerProcess server, bool isGrpc, PreparedCall[] calls,
        int connectionCount, TimeSpan duration)
    {
        IServingConnection[] connections = new IServingConnection[connectionCount];
        using CancellationTokenSource limit = new(duration + s_answerLimit);
        try
        {
            for (int index = 0; index < connections.Length; index++)
            {
                connections[index] = isGrpc ? new GrpcConnection(server.Grpc)
                    : await RestConnection.OpenAsync(server.Http, limit.Token).ConfigureAwait(false);
            }

            // Every connection has been used once, and the queue is as long as it will be.
            await RunAsync(connections, calls, TimeSpan.Zero, limit.Token).ConfigureAwait(false);
            (TimeSpan ownBefore, TimeSpan serverBefore) = (Environment.CpuUsage.TotalTime, server.ProcessorTime);
            long start = Stopwatch.GetTimestamp();
            double[] times = await RunAsync(connections, calls, duration, limit.Token).ConfigureAwait(false);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            double own = (Environment.CpuUsage.TotalTime - ownBefore).TotalSeconds;
            double other = (server.ProcessorTime - serverBefore).TotalSeconds;
            return ServingRate.Of(times, seconds, own / (own + other));
        }
        finally
        {
            foreach (IServingConnection? connection in connections)
                connection?.Dispose();
        }
    }

    /// <summary>Runs all connections until a time is over; each makes at least one call.</summary>
    /// <returns>The times of the calls in milliseconds.</returns>
    private static async Task<double[]> RunAsync(IServingConnection[] connections, PreparedCall[] calls,
        TimeSpan duration, CancellationToken cancellationToken)
    {
        ConcurrentBag<double[]> all = [];
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(connections.Select((connection, number) => Task.Run(async () =>
        {
            List<double> times = [];
            do
            {
                PreparedCall call = calls[(number + times.Count) % calls.Length];
                long before = Stopwatch.GetTimestamp();
                ServingAnswer answer = await connection.CallAsync(call, cancellationToken).ConfigureAwait(false);
                times.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
                if (!answer.IsRight(call))
                    throw new InvalidDataException($"expected the tokens of the engine, found {answer.Describe()}");
            }
            while (Stopwatch.GetElapsedTime(start) < duration);
            all.Add([.. times]);
        }, cancellationToken))).ConfigureAwait(false);
        return [.. all.SelectMany(times => times)];
    }
}
