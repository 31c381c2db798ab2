using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>A tile of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> on the host, and the choice of a
/// tile for a product.</summary>
/// <param name="Index">The index in <see cref="All"/>.</param>
/// <param name="Tile">The type of the tile.</param>
/// <param name="Rows">Rows of C in a tile.</param>
/// <param name="Columns">Columns of C in a tile.</param>
/// <param name="WarpRows">Rows of C in a warp.</param>
/// <param name="WarpColumns">Columns of C in a warp.</param>
/// <param name="BlockSize">Threads of a block.</param>
/// <param name="BlockCount">Blocks that should share a multiprocessor; registers are limited accordingly.</param>
internal sealed record GemmMmaShape(int Index, Type Tile, int Rows, int Columns, int WarpRows, int WarpColumns,
    int BlockSize, int BlockCount)
{
    /// <summary>Multiply-adds of 16-bit elements for each byte that a multiprocessor reads from the second-level cache:
    /// an A100 has 1024 and 48 per cycle. The other devices are assumed to have the same ratio.</summary>
    private const double ProductsPerCacheByte = 1024.0 / 48;

    /// <summary>Bytes per cycle of the shared memory of a multiprocessor.</summary>
    private const double SharedBytesPerCycle = 128;

    /// <summary>Cycles of a slice without products: the barrier and the wait for it.</summary>
    private const double CyclesPerSlice = 16;

    /// <summary>Bytes of a row in a step, which is one matrix instruction along k.</summary>
    private const int StepBytes = SwizzledTile.RowBytes / SwizzledTile.StepCount;

    /// <summary>Elements of 16 bits in a row of a step. In float32, both the elements and the products per cycle are
    /// half of that.</summary>
    private const int StepElements = StepBytes / sizeof(ushort);

    /// <summary>128 × 128, eight warps.</summary>
    public static GemmMmaShape Large { get; } = Of<GemmMmaTile128x128>(index: 0, blockCount: 2);

    /// <summary>128 × 128, four warps.</summary>
    public static GemmMmaShape LargeWide { get; } = Of<GemmMmaTile128x128Wide>(index: 1, blockCount: 2);

    /// <summary>128 × 64.</summary>
    public static GemmMmaShape Medium { get; } = Of<GemmMmaTile128x64>(index: 2, blockCount: 3);

    /// <summary>64 × 64.</summary>
    public static GemmMmaShape Small { get; } = Of<GemmMmaTile64x64>(index: 3, blockCount: 4);

    /// <summary>All shapes.</summary>
    public static IReadOnlyList<GemmMmaShape> All { get; } = [Large, LargeWide, Medium, Small];

    /// <summary>The cycles that shared memory needs for a step: copies write each row once, and every warp reads its
    /// rows of A and W.</summary>
    public double SharedCycles => StepBytes / SharedBytesPerCycle
        * (Rows + Columns + (BlockSize / 32 * (WarpRows + WarpColumns)));

    /// <summary>The large shape of an architecture. The one with eight warps hides latency better, unless its reads of
    /// shared memory take as long as its products.</summary>
    public static GemmMmaShape LargeFor(int architecture)
        => Large.SharedCycles < Large.ProductCycles(architecture) ? Large : LargeWide;

    /// <summary>Whether products on an architecture may have the shape.</summary>
    public bool IsChosenOn(int architecture)
        => Rows * Columns < Large.Rows * Large.Columns || this == LargeFor(architecture);

    /// <summary>The shape with which the busiest multiprocessor finishes first; the larger one of equals. All shapes
    /// give the same bits, so the choice may depend on the batch.</summary>
    /// <param name="rowCount">Rows of C.</param>
    /// <param name="columnCount">Columns of C.</param>
    /// <param name="productCount">Products in one launch.</param>
    /// <param name="device">The device.</param>
    public static GemmMmaShape For(int rowCount, int columnCount, int productCount, DeviceProperties device)
        => new[] { LargeFor(device.Architecture), Medium, Small }.MinBy(shape =>
        {
            long blocks = shape.CountTiles(rowCount, columnCount) * productCount;
            long most = (blocks + device.MultiprocessorCount - 1) / device.MultiprocessorCount;
            return most * shape.SliceCycles(device.Architecture);
        })!;

    /// <summary>The cycles that the tensor cores need for a step.</summary>
    /// <param name="architecture">The architecture, such as 80 for sm_80.</param>
    public double ProductCycles(int architecture) => Rows * Columns * StepElements / ProductsPerCycle(architecture);

    /// <summary>The kernel of the shape.</summary>
    public KernelVariant KernelFor<TElement, TEpilogue, TOutput>()
        where TElement : struct, IMmaElement
        where TEpilogue : struct, IGemmMmaEpilogue
        where TOutput : struct, IGemmMmaOutput
        => new(typeof(GemmMma<,,,>).MakeGenericType(Tile, typeof(TElement), typeof(TEpilogue), typeof(TOutput)),
            BlockSize, BlockCount, MinArchitecture: 80);

    /// <summary>The blocks of a launch.</summary>
    /// <param name="rowCount">Rows of C.</param>
    /// <param name="columnCount">Columns of C.</param>
    /// <param name="productCount">Products in one launch.</param>
    public LaunchSize LaunchFor(int rowCount, int columnCount, int productCount)
        => new(checked((int)CountTiles(rowCount, columnCount)), productCount, BlockSize);

    /// <summary>Multiply-adds of 16-bit elements with float32 sums that a multiprocessor executes per cycle with
    /// mma.sync: on Hopper about 60% of the 2048 of its own instructions. GeForce boards reach half of the 512, with
    /// which shared memory matters even less.</summary>
    private static double ProductsPerCycle(int architecture) => architecture switch
    {
        80 => 1024,
        >= 90 and < 120 => 0.6 * 2048,
        _ => 512,
    };

    private static GemmMmaShape Of<TTile>(int index, int blockCount)
        where TTile : struct, IGemmMmaTile
        => new(index, typeof(TTile),
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileRows,
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileColumns,
            16 * TTile.RowTiles, 16 * TTile.ColumnPairs,
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.BlockSize,
            blockCount);

    /// <summary>The cycles that a multiprocessor needs for a slice. Copies, reads and products overlap.</summary>
    private double SliceCycles(int architecture)
    {
        double cacheCycles = (Rows + Columns) * StepBytes * ProductsPerCacheByte / ProductsPerCycle(architecture);
        return CyclesPerSlice + (SwizzledTile.StepCount
            * Math.Max(ProductCycles(architecture), Math.Max(SharedCycles, cacheCycles)));
    }

    private long CountTiles(int rowCount, int columnCount)
        => ((rowCount + Rows - 1L) / Rows) * ((columnCount + Columns - 1L) / Columns);
}
