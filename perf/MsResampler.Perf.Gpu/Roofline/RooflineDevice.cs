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
/// <param name="Source">The source of the figures.</param>
internal sealed record RooflineDevice(string Name, int Architecture, int MultiprocessorCount, double TensorTflops,
    double MmaShare, double SingleTflops, double MemoryGBs, double CacheMB, string Source)
{
    /// <summary>The devices of the table.</summary>
    public static IReadOnlyList<RooflineDevice> All { get; } =
    [
        new("A100 SXM 80 GB", 80, 108, 312, 1, 19.5, 2039, 40,
            "NVIDIA A100 Tensor Core GPU data sheet and architecture whitepaper"),
        new("RTX 4090", 89, 128, 165.2, 1, 82.6, 1008, 72, "NVIDIA Ada GPU architecture whitepaper, appendix A"),
        new("H200 SXM", 90, 132, 989.5, 0.6, 67, 4800, 50,
            "NVIDIA H200 Tensor Core GPU data sheet (halved: it counts sparsity) and H100 architecture whitepaper"),
    ];

    /// <summary>The limit of matrix products with mma.sync, in operations per second.</summary>
    public double ProductFlops => TensorTflops * MmaShare * 1e12;

    /// <summary>The properties that the choice of GEMM tiles depends on.</summary>
    public DeviceProperties Properties
        => new(Name, Architecture, MultiprocessorCount, MemoryBytes: 0, MaxSharedBytes: 48 << 10);
}
