namespace MsResampler.Perf.Gpu;

/// <summary>A precision of the measurements.</summary>
/// <param name="Name">The name on the command line and in tables.</param>
/// <param name="Precision">The precision.</param>
/// <param name="MaxDifference">The largest allowed relative L2 difference from the float32 tokens of the CPU engine. It
/// is the tolerance against exact arithmetic on weights and features that are not rounded.</param>
internal sealed record GpuPrecision(string Name, Precision Precision, double MaxDifference)
{
    /// <summary>All precisions, in the order in which they are measured.</summary>
    public static IReadOnlyList<GpuPrecision> All { get; } =
    [
        new("float16", Precision.Float16, 3e-3), new("bfloat16", Precision.BFloat16, 2e-2),
        new("tf32", Precision.TensorFloat32, 2e-3), new("float32", Precision.Float32, 1e-5),
    ];
}
