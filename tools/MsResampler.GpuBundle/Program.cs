using System.CommandLine;
using System.Globalization;
using System.Reflection;
using MsResampler.GpuBundle;
using MsResampler.Kernels.Tests.Cuda;
using MsResampler.Perf;

// One program for machines without .NET: the tests that need a GPU, the perf project's commands for GPUs, and all
// commands of msresampler.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (MockDriver.IsRequested)
{
    try
    {
        MockDriver.Emulate();
    }
    catch (InvalidOperationException exception)
    {
        Console.Error.WriteLine($"msresampler-gpu: {exception.Message}");
        return 2;
    }
}

RootCommand root = new("Tests and measures the GPU backend. All commands of msresampler work, too.");
root.Subcommands.Add(TestCommand.Create());
root.Subcommands.Add(ParityCommand.Create());
root.Subcommands.Add(FillCommand.Create());
foreach (Command command in GpuCommands.Create())
    root.Subcommands.Add(command);
return args is [] or ["--help" or "-h" or "-?"] || root.Subcommands.Any(command => command.Name == args[0])
    ? root.Parse(args).Invoke()
    : (int)Assembly.Load("msresampler").EntryPoint!.Invoke(null, [args])!;
