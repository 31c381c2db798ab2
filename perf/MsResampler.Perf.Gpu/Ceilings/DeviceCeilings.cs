namespace MsResampler.Perf.Ceilings;

/// <summary>What a device was seen to do at most.</summary>
/// <param name="Float16Flops">Operations per second of float16 products with float32 sums; null where it has no tensor
/// cores that kernels use.</param>
/// <param name="BFloat16Flops">The same of bfloat16.</param>
/// <param name="TensorFloat32Flops">The same of TensorFloat32.</param>
/// <param name="CopyBytesPerSecond">Bytes per second of a copy in its memory, read and written ones together.</param>
/// <param name="Launches">What launches cost.</param>
internal sealed record DeviceCeilings(double? Float16Flops, double? BFloat16Flops, double? TensorFloat32Flops,
    double CopyBytesPerSecond, LaunchCosts Launches)
{
    /// <summary>Operations per second of products of a precision; null where that was not measured.</summary>
    public double? FlopsOf(Precision precision) => precision switch
    {
        Precision.Float16 => Float16Flops,
        Precision.BFloat16 => BFloat16Flops,
        Precision.TensorFloat32 => TensorFloat32Flops,
        _ => null,
    };
}

/// <summary>What launches of a kernel that does nothing cost, in microseconds.</summary>
/// <param name="Host">Of the calling thread's time, for each of many in a row.</param>
/// <param name="Plain">Of the device's time, for each of many in a row.</param>
/// <param name="Graph">Of the device's time, for each in a replayed graph of many; null where there are no
/// graphs.</param>
/// <param name="RoundTrip">From the call to the return of waiting for it, on an idle device.</param>
/// <param name="Measured">Of the device's time, between an event before it and one behind it, on a busy device: what
/// is part of every time of a single launch.</param>
internal sealed record LaunchCosts(double Host, double Plain, double? Graph, double RoundTrip, double Measured);
