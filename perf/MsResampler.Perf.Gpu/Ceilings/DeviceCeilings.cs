using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Ceilings;

/// <summary>The measured limits of a device.</summary>
/// <param name="Float16Flops">Operations per second of float16 products with float32 accumulators; null if the device
/// has no tensor cores of sm_80 or later. These three are with mma.sync.</param>
/// <param name="BFloat16Flops">The same for bfloat16.</param>
/// <param name="TensorFloat32Flops">The same for TensorFloat32.</param>
/// <param name="CopyBytesPerSecond">Bandwidth of a copy in device memory: bytes read plus bytes written.</param>
/// <param name="Launches">The costs of launches.</param>
internal sealed record DeviceCeilings(double? Float16Flops, double? BFloat16Flops, double? TensorFloat32Flops,
    double CopyBytesPerSecond, LaunchCosts Launches)
{
    /// <summary>Operations per second of float16 products by warpgroups; null if the device has none.</summary>
    public double? WarpgroupFloat16Flops { get; init; }

    /// <summary>The same for bfloat16.</summary>
    public double? WarpgroupBFloat16Flops { get; init; }

    /// <summary>Operations per second of products in a precision; null if they were not measured.</summary>
    /// <param name="precision">The precision.</param>
    /// <param name="family">The instruction.</param>
    public double? FlopsOf(Precision precision, GemmFamily family) => (precision, family) switch
    {
        (Precision.Float16, GemmFamily.Wgmma) => WarpgroupFloat16Flops,
        (Precision.BFloat16, GemmFamily.Wgmma) => WarpgroupBFloat16Flops,
        (Precision.Float16, _) => Float16Flops,
        (Precision.BFloat16, _) => BFloat16Flops,
        (Precision.TensorFloat32, _) => TensorFloat32Flops,
        _ => null,
    };
}

/// <summary>The costs of launching <see cref="EmptyKernel"/>, in microseconds.</summary>
/// <param name="Host">Time of the calling thread per launch, many in a row.</param>
/// <param name="Plain">Device time per launch, many in a row.</param>
/// <param name="Graph">Device time per launch in a replayed graph of many; null if the device has no graphs.</param>
/// <param name="RoundTrip">Time to launch on an idle device and to wait for the end.</param>
/// <param name="Measured">Device time between two events around the launch, on a busy device. Every measured time of a
/// single launch contains it.</param>
internal sealed record LaunchCosts(double Host, double Plain, double? Graph, double RoundTrip, double Measured)
{
    /// <summary>The same as <see cref="Graph"/> without dependent launches; null if the device has none.</summary>
    public double? OrdinaryGraph { get; init; }
}
