using System.Globalization;

namespace MsResampler.Perf.Gpu;

/// <summary>A model at one batch and precision. In the JSON file the names are in snake case.</summary>
/// <param name="Model">The model folder's name.</param>
/// <param name="Grid">The patch grid.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="Precision">The requested precision.</param>
internal sealed record GpuRow(string Model, string Grid, int Batch, string Precision)
{
    /// <summary>The name of the <see cref="EngineVariant"/>; null for the engine's choice.</summary>
    public string? Variant { get; init; }

    /// <summary>The reason why there are no figures; null if there are.</summary>
    public string? Failure { get; init; }

    /// <summary>Whether the tokens differ too much from those of the CPU engine, or a kernel failed.</summary>
    public bool IsWrong { get; init; }

    /// <summary>Relative L2 difference of the first image's tokens from the float32 tokens of the CPU engine.</summary>
    public double? RelativeL2 { get; init; }

    public ModelFigures? Figures { get; init; }

    /// <summary>The time of cuBLAS for the matrix products of each step, in milliseconds.</summary>
    public IReadOnlyDictionary<string, double>? Cublas { get; init; }

    /// <summary>The row of a shape.</summary>
    public static GpuRow Of(PeerShape shape, int batch, string precision)
        => new(shape.Key, shape.Grid.ToString(), batch, precision);

    /// <summary>The row in one line: the times, and the three longest steps with their speed and the time of cuBLAS.
    /// </summary>
    public string ToLine()
    {
        if (Figures is not { } figures)
            return Failure ?? "";
        CultureInfo culture = CultureInfo.InvariantCulture;
        string times = string.Create(culture,
            $"warm {figures.Warm.Median:0.000} ms, cold {figures.Cold.Median:0.000}, " +
            $"call {figures.Call.Median:0.000}, {Batch / figures.Warm.Median * 1e3:0} images/s, " +
            $"{figures.Gflop / figures.Warm.Median:0.0} TFLOP/s, rel. L2 {RelativeL2:0.0e-0}");
        return times + string.Concat(figures.Launches.OrderByDescending(launch => launch.Milliseconds).Take(3)
            .Select(Describe)) + (SpeedBar.OfProduct(this) is { } bar ? $"; {bar}" : "");

        string Describe(LaunchFigures launch)
        {
            string share = launch.ProductShare is { } products ? string.Create(culture, $"{products:0%} of products")
                : string.Create(culture, $"{launch.CopyShare:0%} of copy");
            string peer = Cublas?.TryGetValue(launch.Step, out double milliseconds) == true
                ? string.Create(culture, $", cuBLAS {milliseconds * 1e3:0} µs") : "";
            return string.Create(culture, $"; {launch.Step} {launch.Milliseconds * 1e3:0} µs, {share}{peer}");
        }
    }
}
