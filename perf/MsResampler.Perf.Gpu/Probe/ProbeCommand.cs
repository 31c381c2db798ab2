using System.CommandLine;
using System.Globalization;
using MsResampler.Kernels;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Kernels.Ptx;
using MsResampler.Perf.Results;

namespace MsResampler.Perf.Probe;

/// <summary>The command <c>probe</c>: loads every kernel of the library and of the measurements, and writes what the
/// driver makes of it.</summary>
internal static class ProbeCommand
{
    private const int Done = 0;
    private const int KernelsFailed = 1;
    private const int NoDevice = 2;

    /// <summary>The kernels of the library and of the measurements, those of the fastest precision first.</summary>
    public static IEnumerable<KernelVariant> Kernels =>
    [
        .. Bits16Kernels.Float16.All, .. Float32Kernels.All, .. Bits16Kernels.BFloat16.All, .. CeilingKernels.All,
    ];

    public static Command Create()
    {
        Command command = new("probe", "Compile and load every kernel on the GPU, and write the time, registers, " +
            "memory and resident blocks. Exits with 1 if a kernel fails, with 2 if there is no usable GPU.");
        ResultOptions results = ResultOptions.AddTo(command, "probe");
        command.SetAction(parsed => Run(results.Open(parsed)));
        return command;
    }

    private static int Run(ResultLog? log)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"probe: {reason}");
            return NoDevice;
        }

        using CudaDevice device = CudaDevices.OpenFirst();
        KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        string driver = CudaBackend.Devices().First(info => info.UnusableBecause is null).DriverVersion;
        int failureCount = 0;
        // The driver compiles on the calling thread, so several kernels at a time.
        Parallel.ForEach(Kernels.Where(kernel => kernel.RunsOn(device.Properties.Target)
            && log?.Contains(kernel.Name) != true), kernel =>
        {
            CudaProbe probe = Probe(device, compiler, kernel, driver);
            if (probe.Failure is not null)
                Interlocked.Increment(ref failureCount);
            log?.Add(kernel.Name, probe.Failure is null ? Outcome.Passed : Outcome.Failed, Describe(kernel, probe),
                probe with { Cubin = [] });
        });
        return failureCount == 0 ? Done : KernelsFailed;
    }

    /// <summary>Probes a kernel. Later processes load the machine code that the driver has made.</summary>
    private static CudaProbe Probe(CudaDevice device, KernelCompiler compiler, KernelVariant kernel, string driver)
    {
        try
        {
            CompiledKernel compiled = kernel.Compile(compiler, device.Properties.Target);
            CudaProbe probe = device.Probe(compiled, kernel.BlockSize, kernel.SharedBytes);
            if (probe.Failure is null)
            {
                KernelCache.Default.WriteBytes(
                    KernelKey.OfMachineCode(compiled.Ptx, device.Properties.Architecture, driver), probe.Cubin);
            }

            return probe;
        }
        catch (NotSupportedException exception)
        {
            return new CudaProbe(kernel.Name, Failure: exception.Message);
        }
    }

    private static string Describe(KernelVariant kernel, CudaProbe probe)
        => probe.Failure ?? string.Create(CultureInfo.InvariantCulture,
            $"compiled in {probe.JitMilliseconds:0} ms for sm_{probe.BinaryVersion}: {probe.Registers} registers, " +
            $"{probe.LocalBytes} local and {probe.SharedBytes + kernel.SharedBytes} shared bytes, " +
            $"{probe.ResidentBlocks} resident blocks (wanted: {kernel.BlockCount})");
}
