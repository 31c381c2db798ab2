using System.CommandLine;
using System.Globalization;
using BenchmarkDotNet.Running;
using MsResampler;
using MsResampler.Perf;
using MsResampler.Perf.Costs;
using MsResampler.Perf.Growth;
using MsResampler.Perf.Peers;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
RootCommand root = new("Measures the speed of the engine.")
{
    PeersCommand.Create(),
    GrowthCommand.Create(),
    CostsCommand.Create(),
    Benchmarks(),
    ColdStartCommand(),
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

static Argument<long[]> Extents(string name) => new(name)
{
    Arity = ArgumentArity.ExactlyOne,
    CustomParser = result =>
        [.. result.Tokens[0].Value.Split('x').Select(text => long.Parse(text, CultureInfo.InvariantCulture))],
};
