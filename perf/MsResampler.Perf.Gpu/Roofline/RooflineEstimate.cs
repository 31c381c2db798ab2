using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Roofline;

/// <summary>How long a launch takes at least on a device, and what bounds it.</summary>
/// <param name="Seconds">The time, its launch included.</param>
/// <param name="Bound">What bounds it.</param>
internal readonly record struct RooflineEstimate(double Seconds, RooflineBound Bound)
{
    /// <summary>What a launch costs beside its work when a CUDA graph is replayed: the time from one kernel's end to
    /// the next one's start. An assumption; <c>gpu</c> measures it.</summary>
    public const double LaunchSeconds = 1.5e-6;

    /// <summary>Estimates one launch.</summary>
    public static RooflineEstimate Of(LaunchWork work, RooflineDevice device)
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

    /// <summary>Bytes that pass between memory and the second-level cache.</summary>
    private static double MemoryBytes(LaunchWork work, RooflineDevice device)
        => work.ConstantBytes + work.WrittenBytes + (work.ReadBytes <= device.CacheMB * 1e6 / 2 ? 0 : work.ReadBytes);

    /// <summary>By how much the busiest multiprocessor's whole tiles are more than its share of the
    /// operations.</summary>
    private static double TileFactor(ProductExtent product, RooflineDevice device)
    {
        GemmMmaShape tile = GemmMmaShape.For(product.Rows, product.Columns, product.Count, device.Properties);
        double blocks = (double)tile.LaunchFor(product.Rows, product.Columns, product.Count).GridX * product.Count;
        double most = Math.Ceiling(blocks / device.MultiprocessorCount) * tile.Rows * tile.Columns;
        return most * device.MultiprocessorCount / ((double)product.Count * product.Rows * product.Columns);
    }
}

/// <summary>What bounds a launch.</summary>
internal enum RooflineBound
{
    /// <summary>Bytes from and to memory.</summary>
    Memory,

    /// <summary>Operations.</summary>
    Operations,

    /// <summary>Operations of whole tiles on the busiest multiprocessor, the others having less to do.</summary>
    Tiles,

    /// <summary>It takes less time than starting it.</summary>
    Launch,
}
