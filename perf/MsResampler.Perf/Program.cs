using System.CommandLine;
using System.Globalization;
using BenchmarkDotNet.Running;
using MsResampler;
using MsResampler.Perf;
using MsResampler.Perf.Accuracy;
using MsResampler.Perf.Costs;
using MsResampler.Perf.Growth;
using MsResampler.Perf.Peers;
using MsResampler.Perf.Profile;
using MsResampler.Perf.Serving;
using MsResampler.Perf.Soak;
using MsResampler.Perf.Start;
using MsResampler.Perf.Storage;
using MsResampler.Perf.Training;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
RootCommand root = new("Measures the speed of the engine.")
{
    PeersCommand.Create(),
    GrowthCommand.Create(),
    CostsCommand.Create(),
    AccuracyCommand.Create(),
    StartCommand.Create(),
    StorageCommand.Create(),
    TrainingCommand.Create(),
    CpuProfileCommand.Create(),
    ServeCommand.Create(),
    SoakCommand.Create(),
    Benchmarks(),
    ColdStartCommand(),
    StartOnceCommand(),
};
foreach (Command command in GpuCommands.Create())
    root.Subcommands.Add(command);
return root.Parse(args).Invoke();

static Command Benchmarks()
{
    Argument<string[]> arguments = new("arguments")
    {
        Description = "Arguments of BenchmarkDotNet, such as --filter *Gemm*.",
    };
    Command command = new("benchmarks", "Run BenchmarkDotNet benchmarks of CPU kernels and of whole models on the " +
        "CPU.") { arguments };
    command.TreatUnmatchedTokensAsErrors = false;
    command.SetAction(parsed =>
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(
            [.. parsed.GetValue(arguments)!, .. parsed.UnmatchedTokens]));
    return command;
}

// The command peers starts this hidden command in a new process.
static Command ColdStartCommand()
{
    Argument<string> path = new("path");
    Argument<long[]> input = Extents("input");
    Argument<long[]> output = Extents("output");
    Argument<PatchGrid> grid = new("grid") { CustomParser = GridText.Parse };
    Argument<int> threads = new("threads");
    Command command = new(ColdStart.CommandName) { path, input, output, grid, threads };
    command.Hidden = true;
    command.SetAction(parsed => ColdStart.Run(parsed.GetRequiredValue(path), parsed.GetRequiredValue(input),
        parsed.GetRequiredValue(output), parsed.GetValue(grid), parsed.GetValue(threads)));
    return command;
}

// The command start starts this hidden command in new processes.
static Command StartOnceCommand()
{
    Argument<string> folder = new("folder");
    Argument<PatchGrid> grid = new("grid") { CustomParser = GridText.Parse };
    Argument<int> batch = new("batch");
    Argument<int> threads = new("threads");
    Argument<bool> listens = new("listens");
    Argument<WeightStorage> storage = new("storage");
    Argument<long> timestamp = new("timestamp");
    Command command = new(StartRun.CommandName) { folder, grid, batch, threads, listens, storage, timestamp };
    command.Hidden = true;
    command.SetAction(parsed => StartRun.Print(parsed.GetRequiredValue(folder), parsed.GetValue(grid),
        parsed.GetValue(batch), parsed.GetValue(threads), parsed.GetValue(listens), parsed.GetValue(storage),
        parsed.GetValue(timestamp)));
    return command;
}

static Argument<long[]> Extents(string name) => new(name)
{
    Arity = ArgumentArity.ExactlyOne,
    CustomParser = result =>
        [.. result.Tokens[0].Value.Split('x').Select(text => long.Parse(text, CultureInfo.InvariantCulture))],
};
