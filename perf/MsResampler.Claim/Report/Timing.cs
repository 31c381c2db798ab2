using System.Diagnostics;
using System.Text.Json;
using MsResampler.Claim.Arms;
using MsResampler.Claim.Runs;
using MsResampler.Files;
using MsResampler.Model;
using MsResampler.Scenes;

namespace MsResampler.Claim.Report;

/// <summary>Times of inference of all arms. Arms with scopes run in the engine, with untrained weights, which take as
/// long.</summary>
/// <param name="Times">The times.</param>
/// <param name="Processor">The processor.</param>
internal sealed record Timing(IReadOnlyList<ArmTime> Times, string Processor)
{
    private const string FileName = "times.json";
    private const int RoundCount = 41;
    private const int CallsPerRound = 20;

    /// <summary>Measures: medians of rounds in which every arm has its turn.</summary>
    public static Timing Measure(Experiment experiment)
    {
        int[] batches = [1, 8];
        (Arm Arm, int Batch, Action Call)[] cases = [.. experiment.Arms.SelectMany(arm => batches.Select(batch
            => (arm, batch, CallOf(arm, batch))))];
        double[][] times = [.. cases.Select(_ => new double[RoundCount])];
        foreach ((_, _, Action call) in cases)
        {
            for (int repeat = 0; repeat < CallsPerRound; repeat++)
                call();
        }

        for (int round = 0; round < RoundCount; round++)
        {
            for (int index = 0; index < cases.Length; index++)
            {
                long start = Stopwatch.GetTimestamp();
                for (int repeat = 0; repeat < CallsPerRound; repeat++)
                    cases[index].Call();
                times[index][round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / CallsPerRound
                    / cases[index].Batch;
            }
        }

        return new Timing([.. experiment.Arms.Select(arm => new ArmTime(arm.Name, Median(arm, 1), Median(arm, 8)))],
            ProcessorName());

        double Median(Arm arm, int batch)
        {
            double[] sorted = times[Array.FindIndex(cases, entry => entry.Arm == arm && entry.Batch == batch)];
            Array.Sort(sorted);
            return Math.Round(sorted[RoundCount / 2], 4);
        }
    }

    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        using AtomicFile file = new(Path.Combine(folder, FileName));
        JsonSerializer.Serialize(file.Stream, this, RunStore.Format);
        file.Commit(default);
    }

    /// <summary>The times in a folder, or null.</summary>
    public static Timing? Load(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return File.Exists(path) ? JsonSerializer.Deserialize<Timing>(File.ReadAllBytes(path), RunStore.Format) : null;
    }

    private static Action CallOf(Arm arm, int batch)
    {
        SceneBatch scenes = new(batch, questionsPerTask: 1, scale: 1);
        SceneRandom random = new(1, 0, 0);
        foreach (ref float feature in scenes.Features.AsSpan())
            feature = random.Normal();
        float[] tokens = new float[batch * Arm.TokenFloats];
        TokenModel model = arm.Create(1);
        if (model is not ScopedModel scoped)
            return () => model.Forward(scenes.Features, scenes.Grid, batch, tokens);
        ResamplerModel open = scoped.Model.ToModel();
        Resampler resampler = Resampler.Load(open, new ResamplerOptions { ThreadCount = 1 });
        PatchGrid[] grids = [.. Enumerable.Repeat(scenes.Grid, batch)];
        return () => resampler.Resample(scenes.Features, grids, tokens);
    }

    private static string ProcessorName()
    {
        const string Path = "/proc/cpuinfo";
        string? line = !File.Exists(Path) ? null : File.ReadLines(Path)
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim() ?? "an unknown processor";
    }
}
