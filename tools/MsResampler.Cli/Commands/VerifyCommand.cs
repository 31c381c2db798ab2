using System.CommandLine;
using System.Runtime.InteropServices;
using MsResampler.Reference;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>verify</c>: compares the engine with the reference.</summary>
internal static class VerifyCommand
{
    // A square, one patch, a strip, odd sides, more rows than columns, and a group of unequal frames.
    private static readonly Input[] s_inputs =
    [
        new([new(24, 24)], [-1]), new([new(1, 1)], [-1]), new([new(2, 61)], [-1]), new([new(13, 7)], [-1]),
        new([new(20, 11)], [-1]), new([new(9, 12), new(13, 7), new(5, 5)], [0, 2, 7]),
    ];

    private static readonly Precision[] s_precisions =
        [Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16];

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        EngineOptions engine = new(BackendChoice.Auto, BackendChoice.Cpu, BackendChoice.Cuda);
        Option<double?> bound = Options.Positive("--bound", "X", "The largest allowed relative L2 error (default: " +
            $"{Quantity.Error(Deviation.CpuBound)} on the CPU, in int8 from the layers and their " +
            "widths; on a GPU " +
            $"{string.Join(", ", s_precisions.Select(BoundOf))}).");
        ExampleCommand command = new("verify",
            "Compare the engine with the double-precision reference on random features.")
        {
            Notes =
            [
                "The inputs are images of several patch grids and a group of frames. The exit code is 1 if a relative",
                "error is above --bound, or if the tokens of an input depend on the others of its batch.",
            ],
            Examples =
            [
                "msresampler verify --model model",
                "msresampler verify --model model --backend cpu --threads 1 --bound 1e-6",
                "msresampler verify --model model --precision int8 --int8-layers k_proj,v_proj,gate",
            ],
            Options =
            {
                model, layout, engine.Backend, engine.Device, engine.Precision, engine.Int8Layers,
                engine.WeightStorage, engine.Threads, bound,
            },
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(model), parsed.GetValue(layout),
            engine.Read(parsed), parsed.GetValue(bound), terminal, cancellationToken));
        return command;
    }

    private static string BoundOf(Precision precision)
        => $"{Quantity.Error(Deviation.BoundOf(BackendChoice.Cuda, precision))} in {PrecisionChoice.NameOf(precision)}";

    private static int Run(string folder, CheckpointLayout? layout, EngineChoice choice, double? givenBound,
        Terminal terminal, CancellationToken cancellationToken)
    {
        using ResamplerModel model = TokenEngine.OpenModel(folder, layout, terminal);
        PatchGrid largest = s_inputs[0].Grids[0];
        CallSize.Require($"{folder}: {largest} patches", model.Config, largest.PatchCount, s_inputs.Length);
        CallSize.RequireReference($"{folder}: {largest} patches", model.Config, largest.PatchCount);
        using ITokenEngine engine = TokenEngine.Open(model, choice);
        double bound = givenBound ?? engine.ErrorBound;
        terminal.Say($"verify: loading {folder} in double precision");
        ReferenceResampler reference = ReferenceResampler.Load(model);
        ResamplerConfig config = model.Config;
        int tokenCount = config.QueryGrid.QueryCount * config.OutputSize;

        float[][] features = [.. s_inputs.Select((input, index) => input.Grids.SelectMany((grid, frame)
            => RandomFeatures.Create(index + frame, grid, config.VisionHiddenSize)).ToArray())];
        float[] batch = new float[s_inputs.Length * tokenCount];
        terminal.Say($"verify: {s_inputs.Length} inputs in one batch");
        engine.Resample(features.SelectMany(values => values).ToArray(), new FrameGroups(
            [.. s_inputs.SelectMany(input => input.Grids)], [.. s_inputs.SelectMany(input => input.TemporalIds)],
            [.. s_inputs.Select(input => input.Grids.Length)]), batch, cancellationToken);

        List<IReadOnlyList<string>> rows = [];
        double worst = 0;
        int failureCount = 0;
        for (int index = 0; index < s_inputs.Length; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Input input = s_inputs[index];
            terminal.Say($"verify: input {index + 1} of {s_inputs.Length}, {input} patches");
            float[] alone = new float[tokenCount];
            engine.Resample(features[index], new FrameGroups(input.Grids, input.TemporalIds, [input.Grids.Length]),
                alone, cancellationToken);
            Deviation deviation = Deviation.Between(alone,
                reference.Resample(features[index], input.Grids, input.TemporalIds));
            // Compared as bytes, so that a NaN equals itself.
            bool isSame = MemoryMarshal.AsBytes<float>(alone).SequenceEqual(
                MemoryMarshal.AsBytes(batch.AsSpan(index * tokenCount, tokenCount)));
            bool isGood = deviation.IsWithin(bound) && isSame;
            failureCount += isGood ? 0 : 1;
            worst = Math.Max(worst, deviation.RelativeL2);
            rows.Add([$"{input}", Quantity.Error(deviation.RelativeL2),
                Quantity.Error(deviation.MaxAbsolute),
                isSame ? "same bits" : "DIFFERS", isGood ? Terminal.Passed : Terminal.Failed]);
        }

        terminal.Line($"{folder}: {engine.Description}, compared with the reference in double precision");
        terminal.Table(["patches", ">relative L2", ">max abs", "in a mixed batch", "result"], rows);
        terminal.Verdict(failureCount == 0, failureCount == 0
            ? $"all {rows.Count} within {Quantity.Error(bound)}; the largest error is {Quantity.Error(worst)}"
            : $"{failureCount} of {rows.Count} FAILED at a bound of {Quantity.Error(bound)}; the largest error is " +
            $"{Quantity.Error(worst)}");
        return failureCount == 0 ? ExitCode.Done : ExitCode.CheckFailed;
    }

    /// <summary>An image, or a group of frames.</summary>
    private sealed record Input(PatchGrid[] Grids, int[] TemporalIds)
    {
        public override string ToString()
            => string.Join(", ", Grids) + (Grids.Length == 1 ? "" : " (frames)");
    }
}
