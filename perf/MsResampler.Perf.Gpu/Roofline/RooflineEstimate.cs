using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Roofline;

/// <summary>A lower bound for the time of a launch on a device, and what it follows from. All times are in
/// seconds.</summary>
/// <param name="Device">The device.</param>
/// <param name="Work">The work of the launch.</param>
/// <param name="Shape">The tile of its matrix products; null if it has none.</param>
internal sealed record RooflineEstimate(RooflineDevice Device, StepWork Work, GemmShape? Shape)
{
    /// <summary>Estimates a step that was described for the device.</summary>
    public static RooflineEstimate Of(ForwardStep step, RooflineDevice device)
        => new(device, step.CountWork(), ProductTile.Of(step.Launch.Kernel));

    /// <summary>The instruction of float16 products on a device.</summary>
    public static GemmFamily FamilyOn(RooflineDevice device)
        => GemmShape.ShapesFor(device.Properties.Target, sizeof(ushort))[0].Family;

    /// <summary>The time of the launch, including the cost of starting it.</summary>
    public double Seconds => WorkSeconds + Device.LaunchSeconds;

    /// <summary>The same if the second-level cache were never too slow.</summary>
    public double SecondsWithoutCache => Math.Max(Operations, Memory) + Device.LaunchSeconds;

    /// <summary>The limiting factor.</summary>
    public RooflineBound Bound => WorkSeconds < Device.LaunchSeconds ? RooflineBound.Launch
        : Memory >= Math.Max(Operations, Cache) ? RooflineBound.Memory
        : Cache > Operations ? RooflineBound.Cache
        : Ideal >= Math.Max(Math.Max(Memory, Cache), 0.8 * Operations) ? RooflineBound.Operations
        : RooflineBound.Tiles;

    /// <summary>The time of the operations on the busiest multiprocessor, which computes whole tiles.</summary>
    public double Operations => Ideal * (Shape is null ? 1 : TileFactor(Work.Product!.Value, Shape));

    /// <summary>The time of the traffic between memory and the second-level cache.</summary>
    public double Memory => (Work.ConstantBytes + Work.WrittenBytes
        + (Work.ReadBytes <= Device.CacheMB * 1e6 / 2 ? 0 : Work.ReadBytes)) / (Device.MemoryGBs * 1e9);

    /// <summary>The time in which all multiprocessors read their tiles of A and W from the second-level cache, slice by
    /// slice; 0 without products.</summary>
    public double Cache => Shape is null ? 0
        : CacheBytes(Work.Product!.Value, Shape) / Device.CacheBytesPerSecond(Shape.Family);

    private double WorkSeconds => Math.Max(Operations, Math.Max(Memory, Cache));

    /// <summary>The time of the operations if all multiprocessors had the same share. Attention multiplies with
    /// mma.sync on every device.</summary>
    private double Ideal => Work.Flops / (Work.HasProducts
        ? Device.ProductFlops(Shape?.Family ?? GemmFamily.Mma) : Device.SingleTflops * 1e12);

    private static double CacheBytes(ProductExtent product, GemmShape tile)
        => tile.CountTiles(product) * Math.Ceiling((double)product.Inner * sizeof(ushort) / tile.SliceBytes)
            * (tile.Rows + tile.Columns) * tile.SliceBytes;

    /// <summary>The work of the busiest multiprocessor, in whole tiles, divided by the average work of a
    /// multiprocessor.</summary>
    private double TileFactor(ProductExtent product, GemmShape tile)
    {
        double most = Math.Ceiling((double)tile.CountTiles(product) / Device.MultiprocessorCount) * tile.Rows
            * tile.Columns;
        return most * Device.MultiprocessorCount / ((double)product.Count * product.Rows * product.Columns);
    }
}
