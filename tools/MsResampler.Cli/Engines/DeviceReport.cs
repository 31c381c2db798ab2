using System.Globalization;
using System.Text.Json;
using MsResampler.Cli.Display;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Measuring;
using MsResampler.Model;

namespace MsResampler.Cli.Engines;

/// <summary>A model on the GPU, kernel by kernel.</summary>
/// <param name="Device">The device.</param>
/// <param name="Ceilings">What it does at most.</param>
/// <param name="Figures">The model's times.</param>
/// <param name="FirstCold">The time to the first result with empty caches.</param>
/// <param name="FirstWarm">The same with filled ones.</param>
internal sealed record DeviceReport(DeviceProperties Device, DeviceCeilings Ceilings, ModelFigures Figures,
    FirstResult FirstCold, FirstResult FirstWarm)
{
    /// <summary>How reports are written.</summary>
    public static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    /// <summary>Measures a model whose result was checked.</summary>
    public static DeviceReport Measure(string folder, ResamplerModel model, Precision precision, float[] features,
        PatchGrid[] grids, float[] tokens, TimeSpan duration)
    {
        using DeviceBench bench = new(CudaDevices.OpenFirst,
            new KernelCompiler(KernelCache.Default, PtxVersion.Default), new BenchEffort(duration));
        ModelFigures figures = bench.Measure(model,
            new ResamplerOptions { Precision = precision, ValidateFeatures = false }, features, grids, tokens,
            () => { });
        (FirstResult cold, FirstResult warm) = FirstResult.Measure(folder, grids[0], precision);
        return new DeviceReport(bench.Device, bench.Ceilings, figures, cold, warm);
    }

    /// <summary>Writes tables.</summary>
    public void Show(Terminal terminal)
    {
        terminal.Heading($"{Device.Name}, {Device.MultiprocessorCount} multiprocessors, {Figures.Precision}");
        terminal.Table(["device time of a forward pass", ">median", ">p10", ">p90", ">calls"],
        [
            Row("warm cache, idle device", Figures.Warm),
            Row("flushed cache, idle device", Figures.Cold),
        ]);
        terminal.Heading("Kernels, with a warm cache; shares of the ceilings below");
        terminal.Table(["step", "kernel", ">launches", ">time", ">of all", ">GFLOP", ">MB", ">TFLOP/s", ">of products",
            ">GB/s", ">of copy"],
            [.. Figures.Launches.Select(launch => (IReadOnlyList<string>)[launch.Step, launch.Kernel,
                Quantity.Count(launch.Launches), Time(launch.Milliseconds), Quantity.Percent(launch.TimeShare),
                Digits(launch.Gflop), Digits(launch.Megabytes), Digits(launch.Tflops), Percent(launch.ProductShare),
                Digits(launch.GigabytesPerSecond), Percent(launch.CopyShare)])]);
        terminal.Heading("Ceilings of this run");
        terminal.Table(["what", ">reached"],
        [
            ["products in registers, float16", Flops(Ceilings.Float16Flops)],
            ["products in registers, bfloat16", Flops(Ceilings.BFloat16Flops)],
            ["products in registers, tf32", Flops(Ceilings.TensorFloat32Flops)],
            ["copy, bytes read and written", Quantity.Scaled(Ceilings.CopyBytesPerSecond) + "B/s"],
            ["an empty launch, of many in a row", Microseconds(Ceilings.Launches.Plain)],
            ["  in a replayed graph", Microseconds(Ceilings.Launches.Graph)],
            ["  of the host's time", Microseconds(Ceilings.Launches.Host)],
            ["  waited for", Microseconds(Ceilings.Launches.RoundTrip)],
            ["  measured as kernels above are", Microseconds(Ceilings.Launches.Measured)],
        ]);
        terminal.Heading("First result of a new process");
        terminal.Table(["caches", ">in all", ">loading", ">first call"],
        [
            ["empty", Time(FirstCold.ProcessMilliseconds), Time(FirstCold.LoadMilliseconds),
                Time(FirstCold.CallMilliseconds)],
            ["filled", Time(FirstWarm.ProcessMilliseconds), Time(FirstWarm.LoadMilliseconds),
                Time(FirstWarm.CallMilliseconds)],
        ]);
    }

    private static IReadOnlyList<string> Row(string name, Spread spread)
        => [name, Time(spread.Median), Time(spread.P10), Time(spread.P90), Quantity.Count(spread.Count)];

    private static string Time(double milliseconds) => Quantity.Duration(TimeSpan.FromMilliseconds(milliseconds));

    private static string Microseconds(double? microseconds)
        => microseconds is { } value ? value.ToString("0.00", CultureInfo.InvariantCulture) + " µs" : "none";

    private static string Flops(double? flops) => flops is { } value ? Quantity.Scaled(value) + "FLOP/s" : "none";

    private static string Digits(double? value) => value is { } number ? Quantity.Digits(number) : "";

    private static string Percent(double? share) => share is { } value ? Quantity.Percent(value) : "";
}
