using System.CommandLine;
using MsResampler.Kernels;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Perf.Gpu;

/// <summary>The command <c>profile</c>: makes one call, for a profiler to watch.</summary>
internal static class ProfileCommand
{
    private const int NoDevice = 2;
    private const int Batch = 64;

    public static Command Create()
    {
        Option<string?> folder = new("--models")
        {
            Description = "Keep the model in this folder (default: one in the temporary folder).",
            HelpName = "DIR",
        };
        Option<string> precision = new Option<string>("--precision")
        {
            Description = "The precision.",
            DefaultValueFactory = _ => "float16",
        }.AcceptOnlyFromAmong([.. GpuPrecision.All.Select(precision => precision.Name)]);
        Option<string?> tile = GpuCommand.TileOption();
        Command command = new("profile", $"Compute {Batch} images of clip-l-336 once, for a profiler to watch.")
        {
            folder, precision, tile,
        };
        ShapeOptions shapes = ShapeOptions.AddTo(command);
        command.SetAction(parsed => Run(PerfModel.Of(shapes.Select(parsed).First(), parsed.GetValue(folder)),
            shapes.IsTiny(parsed) ? 1 : Batch,
            GpuPrecision.All.First(known => known.Name == parsed.GetValue(precision)).Precision,
            parsed.GetValue(tile)));
        return command;
    }

    private static int Run(PerfModel perfModel, int batch, Precision precision, string? tile)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"profile: {reason}");
            return NoDevice;
        }

        KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        TimedDevice device = new(CudaDevices.OpenFirst(KernelCache.Default),
            tile is null ? null : new LargeTile(tile, compiler));
        using ResamplerModel model = ResamplerModel.Open(perfModel.Folder);
        using GpuEngine engine = new(device, compiler, model, new ResamplerOptions { Precision = precision });
        engine.Resample(perfModel.Features(batch), perfModel.Grids(batch), perfModel.Tokens(batch),
            CancellationToken.None);
        return 0;
    }
}
