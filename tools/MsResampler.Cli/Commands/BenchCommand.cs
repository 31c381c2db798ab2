using System.CommandLine;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using MsResampler.Reference;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>bench</c>: times a batch of images.</summary>
internal static class BenchCommand
{
    private const int MaxBatch = 4_096;
    private const int MinSampleCount = 5;
    private const int MaxSampleCount = 100_000;
    private const double MaxSeconds = 3_600;

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<PatchGrid?> grid = Options.Grid("The patch grid of every image.");
        Option<int> batch = Options.Int("--batch", "Images in a call.", 1, 1, MaxBatch);
        EngineOptions engine = new(BackendChoice.Auto, BackendChoice.Cpu, BackendChoice.Cuda);
        Option<double?> seconds = Options.Positive("--seconds", "S",
            "The duration of the measurement; a warm-up of a quarter of it comes first.", 3, MaxSeconds);
        Option<string?> json = Options.OptionalPath("--json", "FILE", "Also write the figures to this file.");
        ExampleCommand command = new("bench", "Check the tokens of random features, then time the engine.")
        {
            Notes =
            [
                "p10 and p90 are the 10th and the 90th percentile of the times. FLOP/s counts the operations",
                "that the plan executes (see inspect).",
                "If the tokens differ from the reference by more than verify allows, nothing is timed and the",
                "exit code is 1.",
            ],
            Examples =
            [
                "msresampler bench --model model --grid 24x24",
                "msresampler bench --model model --grid 24x24 --batch 8 --threads 2 --json bench.json",
                "msresampler bench --model model --grid 24x24 --precision int8 --int8-layers all",
                "msresampler bench --model model --grid 24x24 --weight-storage as-stored",
                "msresampler bench --model model --grid 24x24 --backend cuda --precision float16",
            ],
            Options =
            {
                model, layout, grid, batch, engine.Backend, engine.Device, engine.Precision, engine.Int8Layers,
                engine.WeightStorage, engine.Threads, seconds, json,
            },
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(model), parsed.GetValue(layout),
            parsed.GetValue(grid)!.Value, parsed.GetValue(batch), engine.Read(parsed),
            TimeSpan.FromSeconds(parsed.GetRequiredValue(seconds)!.Value),
            parsed.GetValue(json), terminal, cancellationToken));
        return command;
    }

    private static int Run(string folder, CheckpointLayout? layout, PatchGrid grid, int batch, EngineChoice choice,
        TimeSpan duration, string? json, Terminal terminal, CancellationToken cancellationToken)
    {
        using OutputFile? report = json is null ? null : new OutputFile(json, new Inputs().AddModel(folder));
        using ResamplerModel model = TokenEngine.OpenModel(folder, layout, terminal);
        CallSize.Require($"--grid {grid}", model.Config, grid.PatchCount);
        CallSize.RequireReference($"--grid {grid}", model.Config, grid.PatchCount);
        CallSize.Require($"--batch {batch}", model.Config, grid.PatchCount, batch);
        // Every backend of this command is a ResamplerEngine; only the reference is not.
        using ResamplerEngine engine = (ResamplerEngine)TokenEngine.Open(model, choice);
        ResamplerConfig config = model.Config;
        int tokenCount = config.QueryGrid.QueryCount * config.OutputSize;
        float[] image = RandomFeatures.Create(seed: 0, grid, config.VisionHiddenSize);
        float[] features = new float[image.Length * batch];
        for (int index = 0; index < batch; index++)
            image.CopyTo(features, index * image.Length);
        PatchGrid[] grids = [.. Enumerable.Repeat(grid, batch)];
        float[] tokens = new float[tokenCount * batch];

        terminal.Say("bench: checking the result against the reference");
        engine.Resample(features, new FrameGroups(grids), tokens, cancellationToken);
        Deviation deviation = Deviation.Between(tokens.AsSpan(0, tokenCount),
            ReferenceResampler.Load(model).Resample(image, grid));
        terminal.Line($"{folder}: {engine.Description}; {batch} x {grid} patches; relative error " +
            $"{Quantity.Error(deviation.RelativeL2)}");
        if (!deviation.IsWithin(engine.ErrorBound))
        {
            terminal.Verdict(false, $"FAILED: the relative error is above {Quantity.Error(engine.ErrorBound)}; " +
                "nothing was timed");
            return ExitCode.CheckFailed;
        }

        terminal.Say($"bench: warming up and measuring for {Quantity.Duration(duration * 1.25)}");
        Measure(duration / 4, Call);
        double[] samples = Measure(duration, Call);
        Figures figures = new(samples, batch, batch * engine.Plan(grid).Flops);
        terminal.Table(["calls", ">median", ">p10", ">p90", ">images/s", ">FLOP/s"],
        [
            [Quantity.Count(samples.Length), Time(figures.Median), Time(figures.P10), Time(figures.P90),
                Quantity.Digits(figures.ImagesPerSecond), Quantity.Scaled(figures.FlopsPerSecond).TrimEnd()],
        ]);
        if (engine.WeightBytes is { } weightBytes)
            terminal.Line($"  weights in memory: {Quantity.Scaled(weightBytes)}B");
        if (report is not null)
        {
            WriteJson(report.Stream, folder, engine, grid, figures, deviation);
            report.Commit(cancellationToken);
        }

        return ExitCode.Done;

        void Call() => engine.Resample(features, new FrameGroups(grids), tokens, cancellationToken);
    }

    private static string Time(double seconds) => Quantity.Duration(TimeSpan.FromSeconds(seconds));

    /// <summary>Times calls for a duration, and at least <see cref="MinSampleCount"/> of them. Returns the times in
    /// seconds, in ascending order.</summary>
    private static double[] Measure(TimeSpan duration, Action call)
    {
        List<double> samples = [];
        long start = Stopwatch.GetTimestamp();
        while (samples.Count < MinSampleCount
            || (Stopwatch.GetElapsedTime(start) < duration && samples.Count < MaxSampleCount))
        {
            long before = Stopwatch.GetTimestamp();
            call();
            samples.Add(Stopwatch.GetElapsedTime(before).TotalSeconds);
        }

        samples.Sort();
        return [.. samples];
    }

    private static void WriteJson(Stream stream, string model, ResamplerEngine engine,
        PatchGrid grid, Figures figures, Deviation deviation)
    {
        using Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true });
        writer.WriteStartObject();
        writer.WriteString("model", model);
        writer.WriteString("engine", engine.Description);
        writer.WriteString("precision", PrecisionChoice.NameOf(engine.Precision));
        if (engine.Int8Layers is { } layers)
            writer.WriteString("int8_layers", LayerNames.Of(layers));
        if (engine.WeightBytes is { } weightBytes)
            writer.WriteNumber("weight_bytes", weightBytes);
        writer.WriteString("version", typeof(BenchCommand).Assembly.GetName().Version!.ToString(3));
        writer.WriteString("runtime", RuntimeInformation.FrameworkDescription);
        writer.WriteString("os", RuntimeInformation.OSDescription);
        writer.WriteString("architecture", RuntimeInformation.ProcessArchitecture.ToString());
        writer.WriteNumber("processors", Environment.ProcessorCount);
        writer.WriteString("grid", grid.ToString());
        writer.WriteNumber("batch", figures.Batch);
        writer.WriteNumber("calls", figures.Samples.Length);
        writer.WriteNumber("median_seconds", figures.Median);
        writer.WriteNumber("p10_seconds", figures.P10);
        writer.WriteNumber("p90_seconds", figures.P90);
        writer.WriteNumber("images_per_second", figures.ImagesPerSecond);
        writer.WriteNumber("flop_per_call", figures.Flops);
        writer.WriteNumber("flop_per_second", figures.FlopsPerSecond);
        writer.WriteNumber("relative_error", deviation.RelativeL2);
        writer.WriteEndObject();
    }

    /// <summary>The figures of a measurement.</summary>
    /// <param name="Samples">The time of each call in seconds, in ascending order.</param>
    /// <param name="Batch">Images in a call.</param>
    /// <param name="Flops">Operations in a call.</param>
    private sealed record Figures(double[] Samples, int Batch, double Flops)
    {
        public double Median => Quantile(0.5);

        public double P10 => Quantile(0.1);

        public double P90 => Quantile(0.9);

        public double ImagesPerSecond => Batch / Median;

        public double FlopsPerSecond => Flops / Median;

        private double Quantile(double share)
        {
            double position = share * (Samples.Length - 1);
            int index = Math.Min((int)position, Samples.Length - 2);
            return Samples[index] + ((position - index) * (Samples[index + 1] - Samples[index]));
        }
    }
}
