using MsResampler.Kernels.Device;

namespace MsResampler.Perf.Roofline;

/// <summary>A GPU as its maker describes it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Architecture">Its architecture, such as 80 for sm_80.</param>
/// <param name="MultiprocessorCount">Multiprocessors.</param>
/// <param name="TensorTflops">10¹² dense operations per second of float16 products accumulated in float32.</param>
/// <param name="MmaShare">The share of that which the instruction mma.sync reaches.</param>
/// <param name="SingleTflops">10¹² operations per second of float32 outside tensor cores.</param>
/// <param name="MemoryGBs">10⁹ bytes per second of memory.</param>
/// <param name="CacheMB">10⁶ bytes of the second-level cache.</param>
/// <param name="Source">Where the figures are from.</param>
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

    /// <summary>Operations per second that products reach at most here.</summary>
    public double ProductFlops => TensorTflops * MmaShare * 1e12;

    /// <summary>The device as the choice of tiles sees it.</summary>
    public DeviceProperties Properties
        => new(Name, Architecture, MultiprocessorCount, MemoryBytes: 0, MaxSharedBytes: 48 << 10);
}
