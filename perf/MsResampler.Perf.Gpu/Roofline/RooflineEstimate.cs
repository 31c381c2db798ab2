using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Roofline;

/// <summary>A lower bound for the time of a launch on a device, and its limiting factor.</summary>
/// <param name="Seconds">The time, including the cost of the launch.</param>
/// <param name="Bound">The limiting factor.</param>
internal readonly record struct RooflineEstimate(double Seconds, RooflineBound Bound)
{
    /// <summary>The cost of a launch in a replayed CUDA graph: the time from the end of a kernel to the start of the
    /// next one. This is an assumption; the command <c>gpu</c> measures the real value.</summary>
    public const double LaunchSeconds = 1.5e-6;

    /// <summary>Estimates one launch.</summary>
    public static RooflineEstimate Of(StepWork work, RooflineDevice device)
    {
        double ideal = work.Flops / (work.HasProducts ? device.ProductFlops : device.SingleTflops * 1e12);
        double whole = ideal * (work.Product is { } product ? TileFactor(product, device) : 1);
        double memory = MemoryBytes(work, device) / (device.MemoryGBs * 1e9);
        double seconds = Math.Max(whole, memory);
        RooflineBound bound = seconds < LaunchSeconds ? RooflineBound.Launch
            : memory >= whole ? RooflineBound.Memory
            : ideal >= Math.Max(memory, 0.8 * whole) ? RooflineBound.Operations
            : RooflineBound.Tiles;
        return new RooflineEstimate(seconds + LaunchSeconds, bound);
    }

    /// <summary>Bytes moved between memory and the second-level cache.</summary>
    private static double MemoryBytes(StepWork work, RooflineDevice device)
        => work.ConstantBytes + work.WrittenBytes + (work.ReadBytes <= device.CacheMB * 1e6 / 2 ? 0 : work.ReadBytes);

    /// <summary>The work of the busiest multiprocessor, in whole tiles, divided by the average work of a
    /// multiprocessor.</summary>
    private static double TileFactor(ProductExtent product, RooflineDevice device)
    {
        GemmShape tile = GemmShape.For(product, sizeof(ushort), device.Properties);
        double most = Math.Ceiling((double)tile.CountTiles(product) / device.MultiprocessorCount) * tile.Rows
            * tile.Columns;
        return most * device.MultiprocessorCount / ((double)product.Count * product.Rows * product.Columns);
    }
}

/// <summary>The limiting factor of a launch.</summary>
internal enum RooflineBound
{
    /// <summary>Memory traffic.</summary>
    Memory,

    /// <summary>Floating-point operations.</summary>
    Operations,

    /// <summary>Operations on the busiest multiprocessor, which has clearly more tiles than the average.</summary>
    Tiles,

    /// <summary>The cost of the launch, which is longer than its work.</summary>
    Launch,
}
