using System.CommandLine;
using System.Globalization;
using System.Text;
using MsResampler.Training;

namespace MsResampler.Perf.Training;

/// <summary>The command <c>training</c>: the time of a training step compared with inference of the same
/// batch.</summary>
internal static class TrainingCommand
{
    private const int Batch = 8;

    private static readonly PeerShape[] s_shapes =
    [
        new("small", new PatchGrid(16, 16), 256, 256, 8, 512, ShareKeyValues: false),
        new("medium", new PatchGrid(24, 24), 512, 512, 12, 1024, ShareKeyValues: false),
        PeerShape.All.Single(shape => shape.Name == "clip-l-336"),
    ];

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Measure each case for two seconds only." };
        Option<string[]> shapes = new Option<string[]>("--shape")
        {
            Description = $"Use only these shapes: {string.Join(", ", s_shapes.Select(shape => shape.Name))}.",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong([.. s_shapes.Select(shape => shape.Name)]);
        Command command = new("training", "Compare a training step on the CPU with inference of the same batch: " +
            "times on one thread and on all, and images per second.") { quick, shapes };
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(shapes) ?? [];
            Run([.. from shape in s_shapes
                    where names.Length == 0 || names.Contains(shape.Name)
                    from isShared in (bool[])[false, true]
                    select shape with { ShareKeyValues = isShared }],
                parsed.GetValue(quick), isWhole: names.Length == 0);
        });
        return command;
    }

    private static void Run(PeerShape[] shapes, bool isQuick, bool isWhole)
    {
        CpuVariant variant = CpuVariant.Choose();
        KernelSet kernels = KernelSet.Of(variant);
        CultureInfo culture = CultureInfo.InvariantCulture;
        int[] threadCounts = Environment.ProcessorCount == 1 ? [1] : [1, Environment.ProcessorCount];
        StringBuilder text = new("# A training step compared with inference\n\n");
        text.Append(Machine.Describe(variant.Name, $"training{(isQuick ? " --quick" : "")}"));
        text.Append(culture, $"""

            Times are in ms for a batch of {Batch} images: median (10th–90th percentile) of calls in turns, in one
            process. Inference: the engine. Passes: forward and backward pass of the trainer, with the gradients of all
            parameters. Step: the same with clearing the gradients and AdamW, which read and write memory of four times
            the size of the parameters. Ratio: step divided by inference. GFLOP: three times the operations of the model
            as written, because a product of the forward pass has two in the backward pass. Peak: these operations per
            second of the passes as a share of the multiply-add peak. The tokens of both agree within a relative L2
            difference of 5·10⁻⁶.

            | shape | K/V | parameters | threads | inference | passes | step | ratio | images/s | GFLOP | peak |
            |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|

            """);
        foreach (PeerShape shape in shapes)
        {
            foreach (int threadCount in threadCounts)
                text.Append(Measure(shape, threadCount, isQuick, kernels));
        }

        Console.WriteLine(text);
        if (!isWhole)
            return;
        string folder = Machine.ResultsFolder(variant.Name);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "training.md"), text.ToString());
    }

    private static string Measure(PeerShape shape, int threadCount, bool isQuick, KernelSet kernels)
    {
        PerfModel files = PerfModel.Of(shape);
        float[] features = files.Features(Batch);
        PatchGrid[] grids = files.Grids(Batch);
        float[] expected = files.Tokens(Batch);
        float[] tokens = files.Tokens(Batch);
        float[] tokenGradients = [.. Enumerable.Range(0, tokens.Length).Select(index => (index % 7) - 3f)];
        TrainableModel model = TrainableModel.Load(files.Folder);
        using Resampler engine = Resampler.Load(files.Folder, new ResamplerOptions { ThreadCount = threadCount });
        using ResamplerTrainer trainer = new(model, new TrainerOptions { ThreadCount = threadCount });
        AdamW optimiser = new(model.Tensors, new AdamWOptions { ThreadCount = threadCount });

        engine.Resample(features, grids, expected);
        RunPasses();
        Agreement.Check(tokens, expected, shape.Key);
        double peak = FmaPeak.Measure(kernels, threadCount);
        // A learning rate of 0 keeps the weights, so that all calls compute the same.
        Spread[] times = Alternation.Measure(TimeSpan.FromSeconds(isQuick ? 2 : 10),
            () => engine.Resample(features, grids, expected),
            RunPasses,
            () =>
            {
                model.ClearGradients();
                RunPasses();
                optimiser.Step(rate: 0);
            });
        peak = Math.Max(peak, FmaPeak.Measure(kernels, threadCount));

        double flops = 3.0 * Batch * engine.Plan(shape.Grid).NaiveFlops;
        (Spread inference, Spread passes, Spread step) = (times[0], times[1], times[2]);
        long parameterCount = model.Tensors.Sum(tensor => (long)tensor.Count);
        Console.Error.WriteLine($"{shape.Key}, {threadCount} threads: inference {inference.Median:0.0} ms, passes " +
            $"{passes.Median / inference.Median:0.00}, step {step.Median / inference.Median:0.00} times that");
        return string.Create(CultureInfo.InvariantCulture, $"| {shape.Name} " +
            $"| {(shape.ShareKeyValues ? "shared" : "separate")} | {parameterCount / 1e6:0.00} M | {threadCount} " +
            $"| {Text(inference)} | {Text(passes)} | {Text(step)} | **{step.Median / inference.Median:0.00}** " +
            $"| {Batch * 1e3 / step.Median:0.0} | {flops / 1e9:0.0} | {flops / passes.Median * 1e3 / peak:0 %} |\n");

        void RunPasses()
        {
            trainer.Forward(features, new FrameGroups(grids), tokens);
            trainer.Backward(tokenGradients);
        }
    }

    private static string Text(Spread times) => string.Create(CultureInfo.InvariantCulture,
        $"{times.Median:0.0} ({times.P10:0.0}–{times.P90:0.0})");
}
