using MsResampler.Cpu;
using MsResampler.Kernels;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>devices</c>: lists the processors and GPUs.</summary>
internal static class DevicesCommand
{
    public static ExampleCommand Create(Terminal terminal)
    {
        ExampleCommand command = new("devices", "List the CPU and the GPUs of this machine, and why a GPU is unusable.")
        {
            Notes =
            [
                "GPUs have the numbers of the CUDA driver; CUDA_VISIBLE_DEVICES selects and orders them. Other",
                "commands choose a GPU with --device and its number or the start of its UUID.",
                "If the system does not find the driver's library, set MSRESAMPLER_LIBCUDA to its path.",
            ],
            Examples = ["msresampler devices"],
        };
        command.SetAction(_ =>
        {
            Run(terminal);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(Terminal terminal)
    {
        int processorCount = Environment.ProcessorCount;
        terminal.Line($"cpu: {CpuVariant.Choose().Name}, {processorCount} " +
            $"{(processorCount == 1 ? "processor" : "processors")}");
        IReadOnlyList<CudaDeviceInfo> devices;
        try
        {
            terminal.Say("asking the CUDA driver");
            devices = CudaBackend.Devices();
        }
        catch (DeviceException exception)
        {
            terminal.Line($"cuda: {exception.Message}");
            return;
        }

        if (devices.Count == 0)
        {
            CudaBackend.IsAvailable(out string? reason);
            terminal.Line($"cuda: {reason}");
            return;
        }

        terminal.Line($"cuda: the driver supports CUDA {devices[0].DriverVersion}");
        terminal.Table(["gpu", "name", "architecture", ">multiprocessors", ">memory", ">free", "uuid", "usable"],
        [
            .. devices.Select(device => (IReadOnlyList<string>)
            [
                Quantity.Count(device.Index),
                device.Name,
                $"sm_{device.Architecture}",
                Quantity.Count(device.MultiprocessorCount),
                Bytes(device.MemoryBytes),
                device.FreeBytes is { } free ? Bytes(free) : "-",
                device.Uuid,
                device.UnusableBecause is { } reason ? $"no: {reason}" : "yes",
            ]),
        ]);
    }

    private static string Bytes(long count) => $"{Quantity.Scaled(count)}B";
}
