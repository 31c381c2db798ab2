using System.CommandLine;
using System.Globalization;
using System.Reflection;
using MsResampler.GpuBundle;
using MsResampler.Perf;

// The command's own commands, and the perf project's for GPUs and the tests beside them: one program, for machines
// without .NET.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
RootCommand root = new("Tests and measures the GPU backend; every command of msresampler is here too.");
root.Subcommands.Add(TestCommand.Create());
foreach (Command command in GpuCommands.Create())
    root.Subcommands.Add(command);
return args is [] or ["--help" or "-h" or "-?"] || root.Subcommands.Any(command => command.Name == args[0])
    ? root.Parse(args).Invoke()
    : (int)Assembly.Load("msresampler").EntryPoint!.Invoke(null, [args])!;
