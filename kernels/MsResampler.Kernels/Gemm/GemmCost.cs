namespace MsResampler.Kernels.Gemm;

/// <summary>The estimated time of products on tensor cores, in cycles of a multiprocessor.</summary>
internal static class GemmCost
{
    /// <summary>Bytes per cycle of the shared memory of a multiprocessor.</summary>
    private const double SharedBytesPerCycle = 128;

    /// <summary>Cycles of a slice without products: the barrier and the wait for it.</summary>
    private const double CyclesPerSlice = 16;

    /// <summary>Multiply-adds of 16-bit elements for each byte that a multiprocessor reads from the second-level cache:
    /// an A100 has 1024 and 48 per cycle. The other devices are assumed to have the same ratio.</summary>
    private const double ProductsPerCacheByte = 1024.0 / 48;

    /// <summary>Bytes per cycle that a multiprocessor of Hopper reads from the second-level cache if all read: 5.5 TB/s
    /// for 132 multiprocessors at 1.755 GHz.</summary>
    private const double HopperCacheBytesPerCycle = 5.5e12 / 132 / 1.755e9;

    /// <summary>The cycles until the busiest multiprocessor is done.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="product">The extents.</param>
    /// <param name="elementBytes">The size of an element of A and W.</param>
    /// <param name="device">The device.</param>
    public static double Cycles(GemmShape shape, ProductExtent product, int elementBytes, DeviceProperties device)
    {
        long tiles = shape.CountTiles(product);
        long most = (tiles + device.MultiprocessorCount - 1) / device.MultiprocessorCount;
        double slices = Math.Ceiling((double)product.Inner * elementBytes / shape.SliceBytes);
        return most * slices * SliceCycles(shape, device);
    }

    /// <summary>The cycles that the tensor cores need for a slice.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="architecture">The architecture, such as 80 for sm_80.</param>
    public static double ProductCycles(GemmShape shape, int architecture)
        => (double)shape.Rows * shape.Columns * (shape.SliceBytes / sizeof(ushort))
            / ProductsPerCycle(shape.Family, architecture);

    /// <summary>The cycles that shared memory needs for a slice: copies write each row once, and every part reads its
    /// rows of A and W.</summary>
    public static double SharedCycles(GemmShape shape) => shape.SliceBytes / SharedBytesPerCycle
        * (shape.Rows + shape.Columns + (shape.PartCount * (shape.PartRows + shape.PartColumns)));

    /// <summary>The bytes per cycle that a multiprocessor reads from the second-level cache if all read.</summary>
    /// <param name="family">The instruction of the products.</param>
    /// <param name="architecture">The architecture, such as 80 for sm_80.</param>
    public static double CacheBytesPerCycle(GemmFamily family, int architecture)
        => family == GemmFamily.Wgmma ? HopperCacheBytesPerCycle
            : ProductsPerCycle(family, architecture) / ProductsPerCacheByte;

    /// <summary>The cycles that a multiprocessor needs for a slice. Copies, reads and products overlap.</summary>
    private static double SliceCycles(GemmShape shape, DeviceProperties device)
    {
        double cacheCycles = (shape.Rows + shape.Columns) * shape.SliceBytes
            / CacheBytesPerCycle(shape.Family, device.Architecture);
        return CyclesPerSlice + Math.Max(ProductCycles(shape, device.Architecture),
            Math.Max(SharedCycles(shape), cacheCycles));
    }

    /// <summary>Multiply-adds of 16-bit elements with float32 sums that a multiprocessor executes per cycle. In
    /// float32, both the elements of a slice and the products per cycle are half of that. wgmma reaches the 2048 of the
    /// data sheet of Hopper, mma.sync about 60 % of it. GeForce boards reach half of the 512, with which shared memory
    /// matters even less.</summary>
    private static double ProductsPerCycle(GemmFamily family, int architecture) => architecture switch
    {
        _ when family == GemmFamily.Wgmma => 2048,
        80 => 1024,
        >= 90 and < 120 => 0.6 * 2048,
        _ => 512,
    };
}
