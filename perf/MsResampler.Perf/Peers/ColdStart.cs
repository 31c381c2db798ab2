using System.Diagnostics;
using System.Text.Json;

namespace MsResampler.Perf.Peers;

/// <summary>The times of loading and of the first call in a new process, where no code is compiled and no file is
/// mapped yet.</summary>
/// <param name="LoadMs">The time to load the model.</param>
/// <param name="FirstMs">The time of the first call.</param>
internal sealed record ColdStart(double LoadMs, double FirstMs)
{
    /// <summary>The name of the hidden command that calls <see cref="Run"/> in a new process.</summary>
    public const string CommandName = "cold-start";

    /// <summary>Measures several new processes. Returns the medians.</summary>
    /// <param name="path">A model folder for the engine, or an ONNX file for ONNX Runtime.</param>
    /// <param name="shape">The shape.</param>
    /// <param name="batch">Images in the call.</param>
    /// <param name="threadCount">Threads.</param>
    /// <param name="processCount">The number of processes.</param>
    public static ColdStart Measure(string path, PeerShape shape, int batch, int threadCount, int processCount)
    {
        ColdStart[] starts = [.. Enumerable.Range(0, processCount).Select(_ => Start(path, shape, batch, threadCount))];
        return new ColdStart(Spread.Of(starts.Select(start => start.LoadMs)).Median,
            Spread.Of(starts.Select(start => start.FirstMs)).Median);
    }

    /// <summary>The work of the new process: measures once and prints the times as JSON.</summary>
    public static void Run(string path, long[] inputShape, long[] outputShape, PatchGrid grid, int threadCount)
    {
        float[] features = new float[inputShape.Aggregate(1L, (product, extent) => product * extent)];
        Array.Fill(features, 0.5f);
        float[] tokens = new float[outputShape.Aggregate(1L, (product, extent) => product * extent)];
        long start = Stopwatch.GetTimestamp();
        TimeSpan load;
        if (Directory.Exists(path))
        {
            using Resampler engine = Resampler.Load(path, new ResamplerOptions { ThreadCount = threadCount });
            load = Stopwatch.GetElapsedTime(start);
            PatchGrid[] grids = [.. Enumerable.Repeat(grid, (int)inputShape[0])];
            start = Stopwatch.GetTimestamp();
            engine.Resample(features, grids, tokens);
            Print(load, Stopwatch.GetElapsedTime(start));
        }
        else
        {
            using OnnxPeer peer = new(path, threadCount);
            load = Stopwatch.GetElapsedTime(start);
            peer.Bind(features, inputShape, tokens, outputShape);
            start = Stopwatch.GetTimestamp();
            peer.Run();
            Print(load, Stopwatch.GetElapsedTime(start));
        }
    }

    private static void Print(TimeSpan load, TimeSpan first)
        => Console.WriteLine(JsonSerializer.Serialize(new ColdStart(load.TotalMilliseconds, first.TotalMilliseconds)));

    private static ColdStart Start(string path, PeerShape shape, int batch, int threadCount)
        => NewProcess.Run<ColdStart>([CommandName, path, Extents(shape.InputShape(batch)),
            Extents(shape.OutputShape(batch)), $"{shape.Grid}", $"{threadCount}"]).Result;

    private static string Extents(long[] shape) => string.Join('x', shape);
}
