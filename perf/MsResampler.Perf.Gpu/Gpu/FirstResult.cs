using System.Diagnostics;
using System.Text.Json;
using MsResampler.Kernels;

namespace MsResampler.Perf.Gpu;

/// <summary>The time of a new process that computes the tokens of one image.</summary>
/// <param name="ProcessMilliseconds">The whole process, from its start to its end.</param>
/// <param name="LoadMilliseconds">The part that loads the model.</param>
/// <param name="CallMilliseconds">The part that makes the first call.</param>
internal sealed record FirstResult(double ProcessMilliseconds, double LoadMilliseconds, double CallMilliseconds)
{
    /// <summary>The name of the hidden command that calls <see cref="Run"/>. Every program that calls
    /// <see cref="Measure"/> must have it.</summary>
    public const string CommandName = "first-result";

    /// <summary>Measures two processes that share a folder with the kernel caches of the engine and of the driver. It
    /// is empty at first.</summary>
    /// <param name="model">The model folder.</param>
    /// <param name="grid">The image's grid.</param>
    /// <param name="precision">Numeric precision.</param>
    /// <returns>The times with empty caches and with filled caches.</returns>
    /// <exception cref="InvalidOperationException">The process failed; the message contains its error.</exception>
    public static (FirstResult Cold, FirstResult Warm) Measure(string model, PatchGrid grid, Precision precision)
    {
        string folder = Directory.CreateTempSubdirectory("msresampler-first-").FullName;
        try
        {
            return (Start(folder, model, grid, precision), Start(folder, model, grid, precision));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The work of the new process: loads the model, makes one call and prints the times.</summary>
    public static void Run(string model, PatchGrid grid, Precision precision)
    {
        PatchGrid[] grids = [grid];
        long start = Stopwatch.GetTimestamp();
        using Resampler resampler = Resampler.Load(model,
            new ResamplerOptions { Backend = CudaBackend.Default, Precision = precision });
        TimeSpan load = Stopwatch.GetElapsedTime(start);
        ResamplerConfig config = resampler.Config;
        float[] features = new float[grid.PatchCount * config.VisionHiddenSize];
        Array.Fill(features, 0.5f);
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        start = Stopwatch.GetTimestamp();
        resampler.Resample(features, grids, tokens);
        TimeSpan call = Stopwatch.GetElapsedTime(start);
        Console.WriteLine(JsonSerializer.Serialize(new FirstResult(0, load.TotalMilliseconds, call.TotalMilliseconds)));
    }

    private static FirstResult Start(string folder, string model, PatchGrid grid, Precision precision)
    {
        (FirstResult result, TimeSpan time) = NewProcess.Run<FirstResult>(
            [CommandName, Path.GetFullPath(model), $"{grid}", $"{precision}"],
            (KernelCache.Variable, Path.Combine(folder, "kernels")),
            ("CUDA_CACHE_PATH", Path.Combine(folder, "driver")));
        return result with { ProcessMilliseconds = time.TotalMilliseconds };
    }
}
