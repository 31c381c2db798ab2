using System.Globalization;
using MsResampler.Kernels;
using MsResampler.Perf.Results;

namespace MsResampler.Perf.Gpu;

/// <summary>The rows of the command <c>gpu</c>. Each is written to the log when it is measured.</summary>
/// <param name="bench">Measures a row.</param>
/// <param name="cublas">The peer of matrix products, or null.</param>
/// <param name="variants">How to compute the forward pass; null for the engine's choice. Those that the device does not
/// have in a precision are left out.</param>
/// <param name="log">The log, or null. Its rows are not measured again.</param>
internal sealed class GpuRun(DeviceBench bench, CublasPeer? cublas, EngineVariant?[] variants, ResultLog? log)
{
    private readonly Dictionary<string, float[]> _expected = [];

    /// <summary>Measures every model at every batch and precision.</summary>
    public IEnumerable<GpuRow> Measure(PerfModel[] models, int[] batches, GpuPrecision[] precisions)
    {
        foreach (GpuPrecision precision in precisions)
        {
            foreach (PerfModel perfModel in models)
            {
                (int Batch, EngineVariant? Variant)[] missing =
                [
                    .. from batch in batches
                       from variant in variants
                       where variant?.RunsOn(bench.Device, precision.Precision) != false
                           && log?.Contains(NameOf(perfModel, precision, batch, variant)) != true
                       select (batch, variant),
                ];
                if (missing is [])
                    continue;
                using ResamplerModel model = ResamplerModel.Open(perfModel.Folder);
                foreach ((int batch, EngineVariant? variant) in missing)
                {
                    string name = NameOf(perfModel, precision, batch, variant);
                    GpuRow row = Measure(perfModel, model, GpuRow.Of(perfModel.Shape, batch, precision.Name) with
                    {
                        Variant = variant?.Name,
                    }, precision, variant);
                    log?.Add(name, row.IsWrong ? Outcome.Failed
                        : row.Figures is null ? Outcome.Skipped : Outcome.Passed, row.ToLine(), row);
                    if (log is null)
                        Console.Error.WriteLine($"{name}: {row.ToLine()}");
                    yield return row;
                }
            }
        }
    }

    private static string NameOf(PerfModel model, GpuPrecision precision, int batch, EngineVariant? variant)
        => $"{model.Shape.Key} {precision.Name} batch {batch}{(variant is null ? "" : $" variant {variant.Name}")}";

    private GpuRow Measure(PerfModel perfModel, ResamplerModel model, GpuRow row, GpuPrecision precision,
        EngineVariant? variant)
    {
        float[] expected = ExpectedOf(perfModel);
        float[] tokens = perfModel.Tokens(row.Batch);
        double difference = double.NaN;
        try
        {
            ModelFigures figures = bench.Measure(model,
                new ResamplerOptions { Precision = precision.Precision, ValidateFeatures = false },
                perfModel.Features(row.Batch), perfModel.Grids(row.Batch), tokens, Check,
                variant);
            return row with
            {
                RelativeL2 = difference,
                Figures = figures,
                // The peer of a product is the same for every variant.
                Cublas = variant is null ? MeasureCublas(figures) : null,
            };
        }
        catch (InvalidDataException exception)
        {
            return row with { RelativeL2 = difference, Failure = exception.Message, IsWrong = true };
        }
        // The device has too little memory for the batch, device or model do not support the precision, or a kernel
        // failed. The other rows are still measured, on the device opened anew.
        catch (Exception exception) when (exception is NotSupportedException or ActivationOverflowException
            or DeviceException)
        {
            return row with
            {
                Failure = exception.Message,
                IsWrong = exception is DeviceException { IsDeviceLost: true },
            };
        }

        void Check()
        {
            difference = Agreement.RelativeL2(tokens.AsSpan(0, expected.Length), expected);
            if (!(difference <= precision.MaxDifference))
            {
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
                    $"tokens: expected a relative L2 difference from the CPU engine of at most " +
                    $"{precision.MaxDifference:0e-0}, found {difference:0.0e-0}"));
            }
        }
    }

    /// <summary>The CPU engine's tokens of the first image.</summary>
    private float[] ExpectedOf(PerfModel model)
    {
        if (!_expected.TryGetValue(model.Folder, out float[]? tokens))
        {
            _expected.Add(model.Folder, tokens = model.Tokens(batch: 1));
            using Resampler engine = Resampler.Load(model.Folder);
            engine.Resample(model.Features(batch: 1), model.Grids(batch: 1), tokens);
        }

        return tokens;
    }

    private Dictionary<string, double>? MeasureCublas(ModelFigures figures) => cublas is null ? null
        : figures.Launches.Where(launch => launch.Product is not null).ToDictionary(launch => launch.Step,
            launch => cublas.Measure(launch.Product!.Value, figures.Precision));
}
