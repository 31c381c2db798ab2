using MsResampler.Kernels.Gemm.Warpgroup;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>The estimated time of products on tensor cores, in cycles of a multiprocessor until the busiest one is
/// done. It comes from data sheets and counted instructions, and has not been measured.</summary>
/// <remarks>
/// <para>A slice of a tile takes the longest of four: its products on the tensor cores; what shared memory writes and
/// reads; what is read from the second-level cache; and the instructions of all warps, of which four are issued per
/// cycle. To that comes the barrier. A slice also cannot arrive faster than one copy takes, divided by the copies that
/// are under way: that limits a small block that is alone on its multiprocessor.</para>
/// <para>A tile also waits for its first slices and, at its end, for bias, scale and table; it is then computed and
/// stored. The copies of a block of wgmma run ahead into its next tile, so that it waits for first slices once. Blocks
/// that share a multiprocessor share its throughput, but one works while another waits or stores.</para>
/// </remarks>
internal static class GemmCost
{
    /// <summary>Bytes per cycle of the shared memory of a multiprocessor.</summary>
    private const double SharedBytesPerCycle = 128;

    /// <summary>Cycles of a slice without products: the barrier and the wait for it.</summary>
    private const double CyclesPerSlice = 16;

    /// <summary>Cycles from the start of a copy or load to its arrival. Assumed for data of which most are in the
    /// second-level cache, where a read takes about 300, and some in memory, where it takes about 1000 when memory is
    /// busy.</summary>
    private const double Latency = 800;

    /// <summary>Instructions that a multiprocessor issues per cycle, each for a warp.</summary>
    private const double IssuesPerCycle = 4;

    /// <summary>The share of matrix instructions in the loop of mma.sync, at least.</summary>
    private const double MmaShare = 0.38;

    /// <summary>Multiply-adds of 16-bit elements for each byte that a multiprocessor reads from the second-level cache
    /// for mma.sync: an A100 has 1024 and 48 per cycle. The other devices are assumed to have the same ratio.</summary>
    private const double ProductsPerCacheByte = 1024.0 / 48;

    /// <summary>Bytes per cycle that each of the 132 multiprocessors of Hopper reads from the second-level cache if all
    /// read. No rate is published; assumed are the 5120 bytes of the whole cache that the whitepaper of the A100 gives.
    /// Benchmarks of reads report 5.5 TB/s, which are 24 bytes; but the cache merges the requests of several
    /// multiprocessors for the same line, as tiles make them.</summary>
    private const double HopperCacheBytesPerCycle = 5120.0 / 132;

    /// <summary>Bytes per cycle that a multiprocessor of Hopper reads if few others do: two sectors.</summary>
    private const double HopperPortBytesPerCycle = 64;

    /// <summary>The cycles until the busiest multiprocessor is done.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="product">The extents.</param>
    /// <param name="elementBytes">The size of an element of A, W and C.</param>
    /// <param name="device">The device.</param>
    public static double Cycles(GemmShape shape, ProductExtent product, int elementBytes, DeviceProperties device)
    {
        long tiles = shape.CountTiles(product);
        long most = (tiles + device.MultiprocessorCount - 1) / device.MultiprocessorCount;
        double meanToMost = (double)tiles / device.MultiprocessorCount / most;
        // If others have less to do than the busiest multiprocessor, its share of the cache is larger. The rate of
        // mma.sync is taken for the most that a multiprocessor reads.
        double cacheBytesPerCycle = CacheBytesPerCycle(shape.Family, device.Architecture);
        if (shape.Family == GemmFamily.Wgmma)
            cacheBytesPerCycle = Math.Min(HopperPortBytesPerCycle, cacheBytesPerCycle / meanToMost);
        double cacheCycles = (double)(shape.Rows + shape.Columns) * shape.SliceBytes / cacheBytesPerCycle;
        double slices = Math.Ceiling((double)product.Inner * elementBytes / shape.SliceBytes);
        double slice = CyclesPerSlice + Math.Max(
            Math.Max(ProductCycles(shape, device.Architecture), SharedCycles(shape)),
            Math.Max(cacheCycles, IssueCycles(shape, LoopInstructions(shape))));
        double arrival = Latency / shape.CopiesAhead;
        double finish = Math.Max(IssueCycles(shape, FinishInstructions(shape)),
            (double)shape.Rows * shape.Columns * elementBytes / cacheBytesPerCycle);
        long together = Math.Min(most, shape.BlockCount);
        if (together == 1)
        {
            long starts = shape.Family == GemmFamily.Wgmma ? 1 : most;
            return (starts * Latency) + (most * ((slices * Math.Max(slice, arrival)) + Latency + finish));
        }

        long rounds = (most + together - 1) / together;
        return Latency + (slices * Math.Max(most * slice, rounds * arrival)) + Latency + (together * finish);
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

    /// <summary>The instructions of a warp for a slice. In the loop of wgmma, as assembled for sm_90a, they are 57, and
    /// 3 for each copy of a thread: 93 for 128 × 256 and 64 × 128, 81 for 128 × 128 and 64 × 64, 117 for 64 × 256, 75
    /// for 64 × 32.</summary>
    public static double LoopInstructions(GemmShape shape)
    {
        if (shape.Family == GemmFamily.Mma)
            return SwizzledTile.StepCount * (shape.PartRows / 16) * (shape.PartColumns / 8) / MmaShare;
        return 57 + (3 * ThreadCopies(shape));
    }

    /// <summary>The instructions of a warp at the end of a tile: 4.5 for each element of a thread, 4 for each of its
    /// copies of a slice to find the rows of the next tile, and 181. Counted for wgmma with a
    /// <see cref="LinearEpilogue"/>; the others take up to 7 for an element, and 320 more for the scales. mma.sync is
    /// taken to need as many.</summary>
    public static double FinishInstructions(GemmShape shape)
        => 181 + (4 * ThreadCopies(shape)) + (4.5 * shape.Rows * shape.Columns / shape.BlockSize);

    /// <summary>The chunks of a slice that a thread copies.</summary>
    private static int ThreadCopies(GemmShape shape)
        => (shape.Rows + shape.Columns) * (shape.SliceBytes / SliceTile.ChunkBytes) / shape.BlockSize;

    private static double IssueCycles(GemmShape shape, double instructions)
        => instructions * (shape.BlockSize / 32) / IssuesPerCycle;

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
