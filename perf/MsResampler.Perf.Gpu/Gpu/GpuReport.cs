using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Measuring;
using MsResampler.Perf.Measuring;

namespace MsResampler.Perf.Gpu;

/// <summary>All of one run on a GPU.</summary>
/// <param name="Device">The device.</param>
/// <param name="Driver">The CUDA version that its driver supports.</param>
/// <param name="Command">The command line.</param>
/// <param name="Ceilings">What the device was seen to do at most.</param>
/// <param name="Cublas">The version of cuBLAS, or why there is none.</param>
/// <param name="Rows">The models.</param>
internal sealed record GpuReport(DeviceProperties Device, string Driver, string Command, DeviceCeilings Ceilings,
    string Cublas, IReadOnlyList<GpuRow> Rows)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public string Platform { get; } =
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";

    public string Commit { get; } = Machine.Commit;

    /// <summary>The time to the first result with empty caches; null where it was not measured.</summary>
    public FirstResult? FirstCold { get; init; }

    /// <summary>The same with filled ones.</summary>
    public FirstResult? FirstWarm { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, s_json);

    public string ToMarkdown()
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        StringBuilder text = new();
        text.Append(culture, $"""
            # The engine on {Device.Name}

            - device: {Device.Name}, sm_{Device.Architecture}, {Device.MultiprocessorCount} multiprocessors,
              {Device.MemoryBytes / 1e9:0.0} GB, driver for CUDA {Driver}
            - system: {Platform}
            - commit: {Commit}
            - command: `{Command}`
            - products in registers: float16 {Tera(Ceilings.Float16Flops)}, bfloat16 {Tera(Ceilings.BFloat16Flops)},
              tf32 {Tera(Ceilings.TensorFloat32Flops)}
            - copy: {Ceilings.CopyBytesPerSecond / 1e9:0} GB/s, read and written
            - empty launch: {Ceilings.Launches.Plain:0.00} µs of many in a row,
              {Micro(Ceilings.Launches.Graph)} in a replayed graph, {Ceilings.Launches.Host:0.00} µs of the host,
              {Ceilings.Launches.RoundTrip:0.0} µs waited for, {Ceilings.Launches.Measured:0.00} µs measured as the
              kernels below
            - cuBLAS: {Cublas}

            """);
        if (FirstCold is { } cold && FirstWarm is { } warm)
        {
            text.Append(culture, $"""
                - first result of a new process: {cold.ProcessMilliseconds:0} ms with empty kernel caches
                  (loading {cold.LoadMilliseconds:0}, first call {cold.CallMilliseconds:0}),
                  {warm.ProcessMilliseconds:0} ms with filled ones ({warm.LoadMilliseconds:0},
                  {warm.CallMilliseconds:0})

                """);
        }

        text.Append("""

            Times in ms: median (10th–90th percentile). Warm and cold: device time of the forward pass, features and
            tokens on the device, begun on an idle device, with a warm and with a flushed second-level cache. Call: the
            caller's time, from features in its memory to tokens in its memory.

            | model | batch | type | rel. L2 | warm | cold | call | images/s | TFLOP/s |
            |---|--:|---|--:|--:|--:|--:|--:|--:|

            """);
        foreach (GpuRow row in Rows)
            AppendRow(text, row);
        text.Append("""

            Kernels: each measured by itself with a warm cache. Shares: of products in registers, and of a copy (more
            than 100% where bytes come from the cache). GB/s counts what a kernel cannot but move, once.

            """);
        foreach (GpuRow row in Rows.Where(row => row.Figures is not null))
            AppendLaunches(text, row, row.Figures!);
        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, GpuRow row)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {row.Model} | {row.Batch} | {row.Precision} | {row.RelativeL2:0.0e-0} ");
        if (row.Figures is not { } figures)
        {
            text.Append(culture, $"| {row.Failure?.Replace("|", "\\|", StringComparison.Ordinal)} | | | | |\n");
            return;
        }

        text.Append(culture, $"| **{Text(figures.Warm)}** | {Text(figures.Cold)} | {Text(figures.Call)} ");
        text.Append(culture, $"| {row.Batch / figures.Warm.Median * 1e3:0} ");
        text.Append(culture, $"| {figures.Gflop / figures.Warm.Median:0.0} |\n");
    }

    private static void AppendLaunches(StringBuilder text, GpuRow row, ModelFigures figures)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"\n### {row.Model}, batch {row.Batch}, {row.Precision}\n\n");
        text.Append("""
            | step | kernel | launches | µs | share | GFLOP | MB | TFLOP/s | of products | GB/s | of copy | cuBLAS µs |
            |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|

            """);
        foreach (LaunchFigures launch in figures.Launches)
        {
            text.Append(culture, $"| {launch.Step} | {launch.Kernel} | {launch.Launches} ");
            text.Append(culture, $"| {launch.Milliseconds * 1e3:0.0} | {launch.TimeShare:0%} | {launch.Gflop:0.00} ");
            text.Append(culture, $"| {launch.Megabytes:0.0} | {launch.Tflops:0.0} | {launch.ProductShare:0%} ");
            text.Append(culture, $"| {launch.GigabytesPerSecond:0} | {launch.CopyShare:0%} ");
            text.Append(row.Cublas is { } cublas && cublas.TryGetValue(launch.Step, out double peer)
                ? string.Create(culture, $"| {peer * 1e3:0.0} |\n") : "| |\n");
        }
    }

    private static string Text(Spread spread) => string.Create(CultureInfo.InvariantCulture,
        $"{spread.Median:0.000} ({spread.P10:0.000}–{spread.P90:0.000})");

    private static string Tera(double? flops)
        => flops is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value / 1e12:0.0} TFLOP/s") : "none";

    private static string Micro(double? time)
        => time is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value:0.00} µs") : "none";
}
