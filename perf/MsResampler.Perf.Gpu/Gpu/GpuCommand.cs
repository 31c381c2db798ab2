using System.CommandLine;
using System.Globalization;
using MsResampler.Kernels;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Ptx;
using MsResampler.Perf.Results;

namespace MsResampler.Perf.Gpu;

/// <summary>The command <c>gpu</c>: times models at every batch and precision on a GPU, kernel by kernel, and compares
/// them with the limits of the device and with cuBLAS. The fastest precision and the first shapes come first.</summary>
internal static class GpuCommand
{
    private const int Done = 0;
    private const int CheckFailed = 1;
    private const int NoDevice = 2;

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Batches 1 and 8 only, and shorter measurements." };
        Option<string?> folder = new("--models")
        {
            Description = "Keep the models in this folder (default: one in the temporary folder).",
            HelpName = "DIR",
        };
        Option<string?> model = new("--model")
        {
            Description = "Time this model folder instead of the shapes; needs --grid.",
            HelpName = "DIR",
        };
        Option<PatchGrid> grid = new("--grid")
        {
            Description = "The patch grid of the images of --model.",
            HelpName = "HxW",
            CustomParser = GridText.Parse,
        };
        Option<int[]> batches = new("--batch")
        {
            Description = "Images in a call (default: 1 8 64).",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string[]> precisions = new Option<string[]>("--precision")
        {
            Description = "Use only these precisions.",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong([.. GpuPrecision.All.Select(precision => precision.Name)]);
        Option<string[]> variants = new Option<string[]>("--variant")
        {
            Description = "Compute in these ways instead of the engine's: " +
                $"{string.Join(", ", EngineVariant.Names)}; or {EngineVariant.AllName} that the device has.",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong([EngineVariant.AllName, .. EngineVariant.Names]);
        Option<string?> json = new("--json") { Description = "Write all figures to this file.", HelpName = "FILE" };
        Option<string?> markdown = new("--markdown")
        {
            Description = "Write tables to this file (default: perf/results/DEVICE/gpu.md; with --results none).",
            HelpName = "FILE",
        };
        Command command = new("gpu", "Time the engine on a GPU, kernel by kernel, and compare it with the limits of " +
            "the device, measured in the same run, and with cuBLAS. Exits with 1 if a result is wrong, with 2 if " +
            "there is no usable GPU.")
        {
            quick, folder, model, grid, batches, precisions, variants, json, markdown,
        };
        ShapeOptions shapes = ShapeOptions.AddTo(command);
        ResultOptions results = ResultOptions.AddTo(command, "times");
        command.Validators.Add(result =>
        {
            if (result.GetValue(batches) is { } values && values.Any(batch => batch < 1))
                result.AddError("--batch: expected numbers of at least 1");
            if (result.GetResult(model) is null != result.GetResult(grid) is null)
                result.AddError("--model and --grid: expected both or neither");
        });
        command.SetAction(parsed =>
        {
            bool isQuick = parsed.GetValue(quick);
            bool isTiny = shapes.IsTiny(parsed);
            int[] sizes = parsed.GetValue(batches) is { Length: > 0 } given ? given
                : isTiny ? [1] : isQuick ? [1, 8] : [1, 8, 64];
            BenchEffort effort = isTiny ? BenchEffort.Tiny : new(TimeSpan.FromSeconds(isQuick ? 0.1 : 0.4));
            PerfModel[] models = parsed.GetValue(model) is { } own ? [PerfModel.Open(own, parsed.GetValue(grid))]
                : [.. shapes.Select(parsed).Select(shape => PerfModel.Of(shape, parsed.GetValue(folder)))];
            string[] names = parsed.GetValue(precisions) ?? [];
            return Run(models, effort, sizes,
                [.. GpuPrecision.All.Where(precision => names is [] || names.Contains(precision.Name))],
                VariantsOf(parsed.GetValue(variants)), parsed.GetValue(json), parsed.GetValue(markdown),
                results.Open(parsed));
        });
        return command;
    }

    private static EngineVariant?[] VariantsOf(string[]? names) => names is null or [] ? [null]
        : names.Contains(EngineVariant.AllName) ? [.. EngineVariant.All]
        : [.. names.Select(EngineVariant.Of)];

    private static int Run(PerfModel[] models, BenchEffort effort, int[] batches, GpuPrecision[] precisions,
        EngineVariant?[] variants, string? json, string? markdown, ResultLog? log)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"gpu: {reason}");
            return NoDevice;
        }

        KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        DeviceBench bench = new(() => CudaDevices.OpenFirst(KernelCache.Default), compiler, effort);
        using CudaDevice device = CudaDevices.OpenFirst();
        using DeviceScratch scratch = new(device, compiler, effort);
        using CublasPeer? cublas = CublasPeer.TryOpen(device, scratch, effort.Duration, out string? missing);
        GpuReport report = new(bench.Device, CudaBackend.Devices()[0].DriverVersion,
            string.Join(' ', Environment.GetCommandLineArgs().Skip(1)), bench.Ceilings,
            cublas?.Version.ToString(CultureInfo.InvariantCulture) ?? missing!, []);
        if (log?.Contains(GpuReport.LimitsRow) == false)
            log.Add(GpuReport.LimitsRow, Outcome.Passed, report.LimitsText, report);

        if (variants.All(variant => variant is not null
            && !precisions.Any(precision => variant.RunsOn(bench.Device, precision.Precision))))
        {
            Console.Error.WriteLine($"gpu: --variant: {bench.Device.Name} has none of these in these precisions");
        }

        GpuRow[] rows = [.. new GpuRun(bench, cublas, variants, log).Measure(models, batches, precisions)];
        report = report with { Rows = rows };
        // A device without tensor cores has no figures in float16.
        Precision precision = rows.Any(row => row is { Precision: "float16", Figures: null })
            ? Precision.Float32 : Precision.Float16;
        if (variants.Contains(null) && log?.ContainsInAnyStep(GpuReport.FirstRow) != true)
            report = MeasureFirst(report, models[0], precision, log);
        if (log is null || markdown is not null || json is not null)
            Save(report, json, markdown);
        return rows.Any(row => row.IsWrong) ? CheckFailed : Done;
    }

    private static GpuReport MeasureFirst(GpuReport report, PerfModel model, Precision precision, ResultLog? log)
    {
        try
        {
            (FirstResult cold, FirstResult warm) = FirstResult.Measure(model.Folder, model.Shape.Grid, precision);
            report = report with { FirstPrecision = precision, FirstCold = cold, FirstWarm = warm };
            log?.Add(GpuReport.FirstRow, Outcome.Passed, report.FirstText!, report);
        }
        catch (InvalidOperationException exception)
        {
            log?.Add(GpuReport.FirstRow, Outcome.Failed, exception.Message);
            Console.Error.WriteLine($"gpu: the first result of a new process was not measured: {exception.Message}");
        }

        return report;
    }

    private static void Save(GpuReport report, string? json, string? markdown)
    {
        string path = markdown ?? Path.Combine(Machine.Results, Machine.PlainName(report.Device.Name), "gpu.md");
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        string text = report.ToMarkdown();
        File.WriteAllText(path, text);
        if (json is not null)
            File.WriteAllText(json, report.ToJson());
        Console.WriteLine(text);
    }
}
