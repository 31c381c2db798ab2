using System.CommandLine;
using System.Globalization;
using MsResampler.Kernels;
using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Perf.Gpu;

/// <summary>The command <c>gpu</c>: times models at every batch and precision on a GPU, kernel by kernel, and compares
/// them with the limits of the device and with cuBLAS.</summary>
internal sealed class GpuCommand
{
    private const int Done = 0;
    private const int CheckFailed = 1;
    private const int NoDevice = 2;

    /// <summary>The precisions, each with the largest allowed relative L2 difference from the float32 tokens of the CPU
    /// engine. It is the tolerance against exact arithmetic on weights and features that are not rounded.</summary>
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
        Option<bool> quick = new("--quick") { Description = "Batches 1 and 8 only, and shorter measurements." };
        Option<string[]> shapes = ModelsCommand.ShapeOption();
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
        }.AcceptOnlyFromAmong([.. s_precisions.Select(precision => precision.Name)]);
        Option<string?> json = new("--json") { Description = "Write all figures to this file.", HelpName = "FILE" };
        Option<string?> markdown = new("--markdown")
        {
            Description = "Write tables to this file (default: perf/results/DEVICE/gpu.md).",
            HelpName = "FILE",
        };
        Command command = new("gpu", "Time the engine on a GPU, kernel by kernel, and compare it with the limits of " +
            "the device, measured in the same run, and with cuBLAS. Exits with 1 if a result is wrong, with 2 if " +
            "there is no usable GPU.")
        {
            quick, shapes, model, grid, batches, precisions, json, markdown,
        };
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
            int[] sizes = parsed.GetValue(batches) is { Length: > 0 } given ? given : isQuick ? [1, 8] : [1, 8, 64];
            IEnumerable<PerfModel> models = parsed.GetValue(model) is { } folder
                ? [PerfModel.Open(folder, parsed.GetValue(grid))]
                : Models(parsed.GetValue(shapes) ?? []);
            return Run(models, isQuick, sizes, parsed.GetValue(precisions) ?? [], parsed.GetValue(json),
                parsed.GetValue(markdown));
        });
        return command;
    }

    private static IEnumerable<PerfModel> Models(string[] names)
        => from shape in PeerShape.All
           where names is [] || names.Contains(shape.Name)
           from isShared in (bool[])[false, true]
           select PerfModel.Of(shape with { ShareKeyValues = isShared });

    private static int Run(IEnumerable<PerfModel> models, bool isQuick, int[] batches, string[] precisions,
        string? json, string? markdown)
    {
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"gpu: {reason}");
            return NoDevice;
        }

        using CudaDevice device = CudaDevices.OpenFirst();
        using CublasPeer? cublas = CublasPeer.TryOpen(device, out string? missing);
        using DeviceBench bench = new(CudaDevices.OpenFirst,
            new KernelCompiler(KernelCache.Default, PtxVersion.Default),
            new BenchEffort(TimeSpan.FromSeconds(isQuick ? 0.1 : 0.5)));
        GpuCommand command = new(bench, cublas);
        PerfModel[] all = [.. models];
        foreach (PerfModel model in all)
            command.Measure(model, batches, precisions);
        GpuReport report = new(bench.Device, CudaBackend.Devices()[0].DriverVersion,
            string.Join(' ', Environment.GetCommandLineArgs().Skip(1)), bench.Ceilings,
            cublas?.Version.ToString(CultureInfo.InvariantCulture) ?? missing!, command._rows);
        // A device without tensor cores has no figures in float16.
        Precision precision = command._rows.Any(row => row is { Precision: "float16", Figures: not null })
            ? Precision.Float16 : Precision.Float32;
        try
        {
            (FirstResult cold, FirstResult warm) = FirstResult.Measure(all[0].Folder, all[0].Shape.Grid, precision);
            report = report with { FirstPrecision = precision, FirstCold = cold, FirstWarm = warm };
        }
        catch (InvalidOperationException exception)
        {
            Console.Error.WriteLine($"gpu: the first result of a new process was not measured: {exception.Message}");
        }

        Save(report, json, markdown);
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
        // The device has too little memory for the batch, or device or model do not support the precision. The other
        // rows are still measured.
        catch (Exception exception) when (exception is NotSupportedException or ActivationOverflowException
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
                    $"tokens: expected a relative L2 difference from the CPU engine of at most {maxDifference:0e-0}, " +
                    $"found {difference:0.0e-0}"));
            }
        }
    }

    private Dictionary<string, double>? MeasureCublas(ModelFigures figures) => _cublas is null ? null
        : figures.Launches.Where(launch => launch.Product is not null).ToDictionary(launch => launch.Step,
            launch => _cublas.Measure(launch.Product!.Value, figures.Precision));
}
