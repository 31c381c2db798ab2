using System.CommandLine;
using System.Globalization;
using MsResampler.Kernels;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Model;
using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Measuring;
using MsResampler.Perf.Models;

namespace MsResampler.Perf.Gpu;

/// <summary><c>gpu</c>: every shape at every batch and precision on the GPU, kernel by kernel, beside cuBLAS.</summary>
internal sealed class GpuCommand
{
    private const int Done = 0;
    private const int CheckFailed = 1;
    private const int NoDevice = 2;

    /// <summary>The precisions with the relative L2 difference allowed from the CPU engine in float32: what each is
    /// allowed against exact arithmetic on unrounded weights and features.</summary>
    private static readonly (string Name, Precision Precision, double MaxDifference)[] s_precisions =
    [
        ("float32", Precision.Float32, 1e-5), ("tf32", Precision.TensorFloat32, 2e-3),
        ("float16", Precision.Float16, 3e-3), ("bfloat16", Precision.BFloat16, 2e-2),
    ];

    private readonly DeviceBench _bench;
    private readonly CublasPeer? _cublas;
    private readonly List<GpuRow> _rows = [];

    private GpuCommand(DeviceBench bench, CublasPeer? cublas)
    {
        _bench = bench;
        _cublas = cublas;
    }

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Batches 1 and 8, and less time for each figure." };
        Option<string[]> shapes = ModelsCommand.ShapeOption();
        Option<int[]> batches = new("--batch")
        {
            Description = "Images in a call; 1, 8 and 64 when left out.",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string[]> precisions = new Option<string[]>("--precision")
        {
            Description = "Only these precisions.",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong([.. s_precisions.Select(precision => precision.Name)]);
        Option<string?> json = new("--json") { Description = "Write all figures to this file.", HelpName = "FILE" };
        Option<string?> markdown = new("--markdown")
        {
            Description = "Write tables to this file; among the repository's results when left out.",
            HelpName = "FILE",
        };
        Command command = new("gpu", "Time the engine on a GPU, kernel by kernel, against ceilings of the same run " +
            "and cuBLAS. Exits with 1 where a result is wrong, with 2 where there is no usable GPU.")
        {
            quick, shapes, batches, precisions, json, markdown,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(batches) is { } values && values.Any(batch => batch < 1))
                result.AddError("--batch: expected numbers from 1");
        });
        command.SetAction(parsed => Run(parsed.GetValue(quick), parsed.GetValue(shapes) ?? [],
            parsed.GetValue(batches) ?? [], parsed.GetValue(precisions) ?? [], parsed.GetValue(json),
            parsed.GetValue(markdown)));
        return command;
    }

    private static int Run(bool isQuick, string[] shapes, int[] batches, string[] precisions, string? json,
        string? markdown)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"gpu: {reason}");
            return NoDevice;
        }

        using CudaDevice device = CudaDevices.OpenFirst();
        using CublasPeer? cublas = CublasPeer.TryOpen(device, out string? missing);
        using DeviceBench bench = new(CudaDevices.OpenFirst,
            new KernelCompiler(KernelCache.Default, PtxVersion.Default), new BenchEffort(TimeSpan.FromSeconds(isQuick ? 0.1 : 0.5)));
        GpuCommand command = new(bench, cublas);
        if (batches is [])
            batches = isQuick ? [1, 8] : [1, 8, 64];
        foreach (PeerShape shape in PeerShape.All.Where(shape => shapes is [] || shapes.Contains(shape.Name)))
            foreach (bool isShared in (bool[])[false, true])
                command.Measure(PerfModel.Of(shape with { ShareKeyValues = isShared }), batches, precisions);
        GpuReport report = new(bench.Device, CudaBackend.Devices()[0].DriverVersion,
            string.Join(' ', Environment.GetCommandLineArgs().Skip(1)), bench.Ceilings,
            cublas?.Version.ToString(CultureInfo.InvariantCulture) ?? missing!, command._rows);
        (FirstResult cold, FirstResult warm) = FirstResult.Measure(PerfModel.Of(PeerShape.All[0]).Folder,
            PeerShape.All[0].Grid, Precision.Float16);
        Save(report with { FirstCold = cold, FirstWarm = warm }, json, markdown);
        return command._rows.Any(row => row.IsWrong) ? CheckFailed : Done;
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

    private void Measure(PerfModel perfModel, int[] batches, string[] precisions)
    {
        float[] expected = perfModel.Tokens(batch: 1);
        using (Resampler engine = Resampler.Load(perfModel.Folder))
            engine.Resample(perfModel.Features(batch: 1), perfModel.Grids(batch: 1), expected);
        using ResamplerModel model = ResamplerModel.Open(perfModel.Folder);
        foreach (int batch in batches)
        {
            foreach ((string name, Precision precision, double maxDifference) in s_precisions)
            {
                if (precisions is [] || precisions.Contains(name))
                {
                    GpuRow row = Measure(perfModel, model, new GpuRow(perfModel.Shape, batch, name), precision,
                        maxDifference, expected);
                    _rows.Add(row);
                    Console.Error.WriteLine(row.Figures is { } figures
                        ? $"{row.Model}, batch {batch}, {name}: {figures.Warm.Median:0.000} ms"
                        : $"{row.Model}, batch {batch}, {name}: {row.Failure}");
                }
            }
        }
    }

    private GpuRow Measure(PerfModel perfModel, ResamplerModel model, GpuRow row, Precision precision,
        double maxDifference, float[] expected)
    {
        float[] tokens = perfModel.Tokens(row.Batch);
        double difference = double.NaN;
        try
        {
            ModelFigures figures = _bench.Measure(model,
                new ResamplerOptions { Precision = precision, ValidateFeatures = false },
                perfModel.Features(row.Batch), perfModel.Grids(row.Batch), tokens, Check);
            return row with { RelativeL2 = difference, Figures = figures, Cublas = MeasureCublas(figures) };
        }
        catch (InvalidDataException exception)
        {
            return row with { RelativeL2 = difference, Failure = exception.Message, IsWrong = true };
        }
        // Too little memory for the batch, or a precision that the device lacks: the other rows are still of interest.
        catch (Exception exception) when (exception is NotSupportedException
            or DeviceException { IsDeviceLost: false })
        {
            return row with { Failure = exception.Message };
        }

        void Check()
        {
            difference = Agreement.RelativeL2(tokens.AsSpan(0, expected.Length), expected);
            if (!(difference <= maxDifference))
            {
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
                    $"expected tokens within {maxDifference:0e-0} of the CPU engine's, found {difference:0.0e-0}"));
            }
        }
    }

    private Dictionary<string, double>? MeasureCublas(ModelFigures figures) => _cublas is null ? null
        : figures.Launches.Where(launch => launch.Product is not null).ToDictionary(launch => launch.Step,
            launch => _cublas.Measure(launch.Product!.Value, figures.Precision));
}
