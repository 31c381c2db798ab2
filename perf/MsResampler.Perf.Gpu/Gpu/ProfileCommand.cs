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
        Option<string?> variant = new Option<string?>("--variant")
        {
            Description = "Compute in this way instead of the engine's.",
            HelpName = "NAME",
        }.AcceptOnlyFromAmong(EngineVariant.Names);
        Command command = new("profile", $"Compute {Batch} images of clip-l-336 once, for a profiler to watch.")
        {
            folder, precision, variant,
        };
        ShapeOptions shapes = ShapeOptions.AddTo(command);
        command.SetAction(parsed => Run(PerfModel.Of(shapes.Select(parsed).First(), parsed.GetValue(folder)),
            shapes.IsTiny(parsed) ? 1 : Batch,
            GpuPrecision.All.First(known => known.Name == parsed.GetValue(precision)).Precision,
            parsed.GetValue(variant) is { } name ? EngineVariant.Of(name) : null));
        return command;
    }

    private static int Run(PerfModel perfModel, int batch, Precision precision, EngineVariant? variant)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"profile: {reason}");
            return NoDevice;
        }

        KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        TimedDevice device = new(CudaDevices.OpenFirst(KernelCache.Default), variant, compiler);
        if (variant?.RunsOn(device.Properties, precision) == false)
        {
            Console.Error.WriteLine($"profile: --variant {variant.Name}: {device.Properties.Name} lacks it in this " +
                "precision; leave the option out");
            return NoDevice;
        }

        using ResamplerModel model = ResamplerModel.Open(perfModel.Folder);
        using GpuEngine engine = new(device, compiler, model, new ResamplerOptions { Precision = precision });
        engine.Resample(perfModel.Features(batch), perfModel.Grids(batch), perfModel.Tokens(batch),
            CancellationToken.None);
        return 0;
    }
}
