using System.CommandLine;
using MsResampler.Kernels;
using MsResampler.Perf.Results;

namespace MsResampler.Perf.Probe;

/// <summary>The command <c>machine</c>: writes which GPU the results are of.</summary>
internal static class MachineCommand
{
    private const int NoDevice = 2;

    /// <summary>The row with the device.</summary>
    public const string Row = "device";

    public static Command Create()
    {
        Command command = new("machine",
            "Write the properties of the first usable GPU. Exits with 2 if there is none.");
        ResultOptions results = ResultOptions.AddTo(command, "machine");
        command.SetAction(parsed => Run(results.Open(parsed)));
        return command;
    }

    private static int Run(ResultLog? log)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            log?.Add(Row, Outcome.Failed, reason);
            Console.Error.WriteLine($"machine: {reason}");
            return NoDevice;
        }

        CudaDeviceInfo device = CudaBackend.Devices().First(device => device.UnusableBecause is null);
        log?.Add(Row, Outcome.Passed, $"{device.Name}, sm_{device.Architecture}, {device.MultiprocessorCount} " +
            $"multiprocessors, {device.MemoryBytes / 1e9:0.0} GB, driver for CUDA {device.DriverVersion}; " +
            $"{Environment.ProcessorCount} processors", device);
        return 0;
    }
}
