using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Roofline;

/// <summary>The data sheet of a GPU.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Architecture">Its architecture, such as 80 for sm_80.</param>
/// <param name="MultiprocessorCount">Multiprocessors.</param>
/// <param name="TensorTflops">Speed of dense float16 products with float32 accumulators, in 10¹² operations per
/// second.</param>
/// <param name="MmaShare">The share of this speed that the instruction mma.sync reaches.</param>
/// <param name="SingleTflops">Speed of float32 without tensor cores, in 10¹² operations per second.</param>
/// <param name="MemoryGBs">Bandwidth of the memory, in 10⁹ bytes per second.</param>
/// <param name="CacheMB">Size of the second-level cache, in 10⁶ bytes.</param>
/// <param name="ClockGHz">The clock of the multiprocessors, in 10⁹ cycles per second: with it, the bytes per cycle of
/// the second-level cache become a bandwidth.</param>
/// <param name="Source">The source of the figures.</param>
internal sealed record RooflineDevice(string Name, int Architecture, int MultiprocessorCount, double TensorTflops,
    double MmaShare, double SingleTflops, double MemoryGBs, double CacheMB, double ClockGHz, string Source)
{
    /// <summary>The devices of the table.</summary>
    public static IReadOnlyList<RooflineDevice> All { get; } =
    [
        new("A100 SXM 80 GB", 80, 108, 312, 1, 19.5, 2039, 40, 1.41,
            "NVIDIA A100 Tensor Core GPU data sheet and architecture whitepaper"),
        new("RTX 4090", 89, 128, 165.2, 1, 82.6, 1008, 72, 2.52, "NVIDIA Ada GPU architecture whitepaper, appendix A"),
        new("H100 SXM", 90, 132, 989.5, 0.6, 67, 3350, 50, 1.755,
            "NVIDIA H100 Tensor Core GPU data sheet (halved: it counts sparsity) and architecture whitepaper"),
        new("H200 SXM", 90, 132, 989.5, 0.6, 67, 4800, 50, 1.755,
            "NVIDIA H200 Tensor Core GPU data sheet (halved: it counts sparsity) and H100 architecture whitepaper"),
    ];

    /// <summary>Those of <see cref="All"/> that have products by warpgroups.</summary>
    public static IReadOnlyList<RooflineDevice> Hopper { get; } = [.. All.Where(device => device.Properties.IsHopper)];

    /// <summary>The properties that the steps of a forward pass depend on.</summary>
    public DeviceProperties Properties => new(Name, Architecture, MultiprocessorCount, MemoryBytes: 0,
        MaxSharedBytes: 48 << 10, IsHopper: Architecture == KernelTarget.Hopper.Architecture);

    /// <summary>The assumed time from the end of a kernel to the start of the next one in a replayed CUDA graph; the
    /// command <c>gpu</c> measures the real one. On Hopper the next kernel is resident before the end.</summary>
    public double LaunchSeconds => Properties.IsHopper ? 1e-6 : 1.5e-6;

    /// <summary>The limit of matrix products, in operations per second. wgmma reaches the data sheet's.</summary>
    public double ProductFlops(GemmFamily family)
        => TensorTflops * 1e12 * (family == GemmFamily.Wgmma ? 1 : MmaShare);

    /// <summary>The bytes per second that all multiprocessors together read from the second-level cache, as the cost
    /// of tiles assumes them.</summary>
    public double CacheBytesPerSecond(GemmFamily family)
        => GemmCost.CacheBytesPerCycle(family, Architecture) * MultiprocessorCount * ClockGHz * 1e9;
}
