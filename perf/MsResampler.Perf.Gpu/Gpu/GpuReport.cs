using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MsResampler.Perf.Gpu;

/// <summary>The figures of a run on a GPU.</summary>
/// <param name="Device">The device.</param>
/// <param name="Driver">The CUDA version that the driver supports.</param>
/// <param name="Command">The command line.</param>
/// <param name="Ceilings">The measured limits of the device.</param>
/// <param name="Cublas">The version of cuBLAS, or the reason why it is not used.</param>
/// <param name="Rows">One row for each model, batch, precision and variant.</param>
internal sealed record GpuReport(DeviceProperties Device, string Driver, string Command, DeviceCeilings Ceilings,
    string Cublas, IReadOnlyList<GpuRow> Rows)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true,
    };

    /// <summary>The names of the results that do not belong to a row.</summary>
    public const string LimitsRow = "limits of the device", FirstRow = "first result of a new process";

    public string Platform { get; init; } =
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";

    public string Commit { get; init; } = Machine.Commit;

    /// <summary>The precision of <see cref="FirstCold"/> and <see cref="FirstWarm"/>.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter<Precision>))]
    public Precision FirstPrecision { get; init; }

    /// <summary>The time of the first result with empty kernel caches; null if it was not measured.</summary>
    public FirstResult? FirstCold { get; init; }

    /// <summary>The time of the first result with filled kernel caches; null if it was not measured.</summary>
    public FirstResult? FirstWarm { get; init; }

    /// <summary>The limits of the device in one line.</summary>
    public string LimitsText => $"products in registers: float16 {Tera(Ceilings.Float16Flops)}, bfloat16 " +
        $"{Tera(Ceilings.BFloat16Flops)}, tf32 {Tera(Ceilings.TensorFloat32Flops)}; by warpgroups: float16 " +
        $"{Tera(Ceilings.WarpgroupFloat16Flops)}, bfloat16 {Tera(Ceilings.WarpgroupBFloat16Flops)}; copy " +
        $"{Giga(Ceilings.CopyBytesPerSecond)}; empty launch: {Micro(Ceilings.Launches.Plain)} in a row, " +
        $"{Micro(Ceilings.Launches.Graph)} in a graph, {Micro(Ceilings.Launches.OrdinaryGraph)} there without " +
        $"dependent launches, {Micro(Ceilings.Launches.Measured)} timed alone; " +
        $"cuBLAS {Cublas}";

    /// <summary>The times of a new process in one line.</summary>
    public string? FirstText => FirstCold is { } cold && FirstWarm is { } warm
        ? string.Create(CultureInfo.InvariantCulture, $"{Precisions.NameOf(FirstPrecision)}: empty caches " +
            $"{cold.LoadMilliseconds:0} ms to load, {cold.CallMilliseconds:0} ms for the first call; filled " +
            $"{warm.LoadMilliseconds:0} and {warm.CallMilliseconds:0} ms") : null;

    public string ToJson() => JsonSerializer.Serialize(this, s_json);

    public string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"""
            # GPU benchmark: {Device.Name}

            - device: {Device.Name}, sm_{Device.Architecture}, {Device.MultiprocessorCount} multiprocessors,
              {Device.MemoryBytes / 1e9:0.0} GB, driver for CUDA {Driver}
            - system: {Platform}
            - commit: {Commit}
            - command: `{Command}`
            - cuBLAS: {Cublas}

            ## Limits of the device, measured in this run

            | limit | value |
            |---|--:|
            | tensor cores, products in registers, float16 | {Tera(Ceilings.Float16Flops)} |
            | tensor cores, products in registers, bfloat16 | {Tera(Ceilings.BFloat16Flops)} |
            | tensor cores, products in registers, tf32 | {Tera(Ceilings.TensorFloat32Flops)} |
            | tensor cores, products by warpgroups, float16 | {Tera(Ceilings.WarpgroupFloat16Flops)} |
            | tensor cores, products by warpgroups, bfloat16 | {Tera(Ceilings.WarpgroupBFloat16Flops)} |
            | copy in device memory, bytes read plus bytes written | {Giga(Ceilings.CopyBytesPerSecond)} |
            | empty kernel, many in a row, device time of each | {Micro(Ceilings.Launches.Plain)} |
            | empty kernel, many in a replayed graph, device time of each | {Micro(Ceilings.Launches.Graph)} |
            | the same without dependent launches | {Micro(Ceilings.Launches.OrdinaryGraph)} |
            | empty kernel, many in a row, host time of each | {Micro(Ceilings.Launches.Host)} |
            | empty kernel, launched on an idle device and waited for | {Micro(Ceilings.Launches.RoundTrip)} |
            | empty kernel, timed in the same way as the kernels below | {Micro(Ceilings.Launches.Measured)} |

            """);
        if (FirstCold is { } cold && FirstWarm is { } warm)
            AppendFirstResults(text, FirstPrecision, cold, warm);
        text.Append("""

            ## Forward passes

            Times are in ms: median (10th–90th percentile). Warm and cold are device times of the forward pass:
            features and tokens are on the device, and the pass starts on an idle device, with a warm second-level
            cache or with one that other data has filled. Call is the time of the calling thread, from features in host
            memory to tokens in host memory. Samples counts the measured warm, cold and whole calls.

            | model | batch | precision | rel. L2 | warm | cold | call | samples | images/s | TFLOP/s |
            |---|--:|---|--:|--:|--:|--:|--:|--:|--:|

            """);
        foreach (GpuRow row in Rows.Where(row => row.Variant is null))
            AppendRow(text, row);
        AppendBars(text);
        VariantTable.Append(text, Rows);
        text.Append("""

            ## Kernels

            Each launch is timed separately, with a warm cache. MB counts the bytes that a kernel must read or write,
            each once. "Of products" is the share of the tensor cores' limit above with the same instruction, "of copy"
            the share of the copy's limit (more than 100% where the data comes from the cache). "cuBLAS" is the
            library's time for the same product, in µs, and the ratio is this time divided by that of the kernel.

            """);
        foreach (GpuRow row in Rows.Where(row => row.Figures is not null))
            AppendLaunches(text, row, row.Figures!);
        return text.ToString();
    }

    private static void AppendFirstResults(StringBuilder text, Precision precision, FirstResult cold, FirstResult warm)
    {
        text.Append(CultureInfo.InvariantCulture, $"""

            ## First result of a new process

            The process loads the first model of the tables below and computes the tokens of one image in
            {Precisions.NameOf(precision)}. Empty: the engine compiles its kernels to PTX, and the driver compiles the
            PTX for the device. Filled: both find the result in their caches.

            | kernel caches | whole process | loading | first call |
            |---|--:|--:|--:|

            """);
        foreach ((string name, FirstResult result) in new[] { ("empty", cold), ("filled", warm) })
        {
            text.Append(CultureInfo.InvariantCulture, $"| {name} | {result.ProcessMilliseconds:0} ms ");
            text.Append(CultureInfo.InvariantCulture,
                $"| {result.LoadMilliseconds:0} ms | {result.CallMilliseconds:0} ms |\n");
        }
    }

    private void AppendBars(StringBuilder text)
    {
        (GpuRow Row, SpeedBar Bar)[] bars = [.. from row in Rows
                                                let bar = SpeedBar.OfProduct(row)
                                                where bar is not null
                                                select (row, bar)];
        if (bars is [])
            return;
        text.Append("""

            ## The largest product and cuBLAS

            | model | batch | precision | product | speed divided by that of cuBLAS | |
            |---|--:|---|---|--:|---|

            """);
        foreach ((GpuRow row, SpeedBar bar) in bars)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {row.Model} | {row.Batch} | {row.Precision} ");
            text.Append(CultureInfo.InvariantCulture, $"| {bar.Subject} | {bar.Ratio:0.00} | {bar.ToCell()} |\n");
        }
    }

    private static void AppendRow(StringBuilder text, GpuRow row)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {row.Model} | {row.Batch} | {row.Precision} | {row.RelativeL2:0.0e-0} ");
        if (row.Figures is not { } figures)
        {
            text.Append(culture, $"| {row.Failure?.Replace("|", "\\|", StringComparison.Ordinal)} | | | | | |\n");
            return;
        }

        text.Append(culture, $"| **{Text(figures.Warm)}** | {Text(figures.Cold)} | {Text(figures.Call)} ");
        text.Append(culture, $"| {figures.Warm.Count}, {figures.Cold.Count}, {figures.Call.Count} ");
        text.Append(culture, $"| {row.Batch / figures.Warm.Median * 1e3:0} ");
        text.Append(culture, $"| {figures.Gflop / figures.Warm.Median:0.0} |\n");
    }

    private static void AppendLaunches(StringBuilder text, GpuRow row, ModelFigures figures)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        string variant = row.Variant is { } name ? $", {name}" : "";
        text.Append(culture, $"\n### {row.Model}, batch {row.Batch}, {row.Precision}{variant}\n\n");
        text.Append("| step | kernel | launches | µs | share | GFLOP | MB | TFLOP/s | of products | GB/s | of copy ");
        text.Append("| cuBLAS | ratio |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        foreach (LaunchFigures launch in figures.Launches)
        {
            text.Append(culture, $"| {launch.Step} | {launch.Kernel} | {launch.Launches} ");
            text.Append(culture, $"| {launch.Milliseconds * 1e3:0.0} | {launch.TimeShare:0%} | {launch.Gflop:0.00} ");
            text.Append(culture, $"| {launch.Megabytes:0.0} | {launch.Tflops:0.0} | {launch.ProductShare:0%} ");
            text.Append(culture, $"| {launch.GigabytesPerSecond:0} | {launch.CopyShare:0%} ");
            text.Append(row.Cublas is { } cublas && cublas.TryGetValue(launch.Step, out double peer)
                ? string.Create(culture, $"| {peer * 1e3:0.0} | {peer / launch.Milliseconds:0.00} |\n") : "| | |\n");
        }
    }

    private static string Text(Spread spread) => string.Create(CultureInfo.InvariantCulture,
        $"{spread.Median:0.000} ({spread.P10:0.000}–{spread.P90:0.000})");

    private static string Tera(double? flops)
        => flops is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value / 1e12:0.0} TFLOP/s") : "none";

    private static string Giga(double bytesPerSecond)
        => string.Create(CultureInfo.InvariantCulture, $"{bytesPerSecond / 1e9:0} GB/s");

    private static string Micro(double? time)
        => time is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value:0.00} µs") : "none";
}
