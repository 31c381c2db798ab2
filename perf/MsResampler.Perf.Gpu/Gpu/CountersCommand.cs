using System.CommandLine;
using MsResampler.Perf.Results;

namespace MsResampler.Perf.Gpu;

/// <summary>The command <c>counters</c>: picks what limits a kernel out of a table of Nsight Compute.</summary>
internal static class CountersCommand
{
    private const int NoKernels = 1;

    public static Command Create()
    {
        Argument<FileInfo> file = new("file") { Description = "The output of ncu --csv --page raw." };
        Option<string> variant = new("--variant")
        {
            Description = "What was profiled, for the names of the rows.",
            DefaultValueFactory = _ => "",
        };
        Command command = new("counters", "Show for each kernel in a table of Nsight Compute the use of tensor " +
            "cores and shared memory, the occupancy and the reasons of stalls. Exits with 1 if there is no kernel.")
        {
            file, variant,
        };
        ResultOptions results = ResultOptions.AddTo(command, "ncu");
        command.SetAction(parsed =>
        {
            ResultLog? log = results.Open(parsed);
            int count = 0;
            string path = parsed.GetRequiredValue(file).FullName;
            foreach (KernelCounters kernel in KernelCounters.Read(File.ReadLines(path)))
            {
                count++;
                string row = $"{parsed.GetRequiredValue(variant)} kernel {count}";
                if (log is null)
                    Console.WriteLine($"{row}: {kernel.ToLine()}");
                else
                    log.Add(row, Outcome.Passed, kernel.ToLine(), kernel);
            }

            return count == 0 ? NoKernels : 0;
        });
        return command;
    }
}
