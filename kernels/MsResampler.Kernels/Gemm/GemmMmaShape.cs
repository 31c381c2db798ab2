using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>A tile of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> on the host, and the choice of a
/// tile for a product.</summary>
/// <param name="Index">The index in <see cref="All"/>.</param>
/// <param name="Tile">The type of the tile.</param>
/// <param name="Rows">Rows of C in a tile.</param>
/// <param name="Columns">Columns of C in a tile.</param>
/// <param name="BlockSize">Threads of a block.</param>
/// <param name="BlockCount">Blocks that should share a multiprocessor; registers are limited accordingly.</param>
internal sealed record GemmMmaShape(int Index, Type Tile, int Rows, int Columns, int BlockSize, int BlockCount)
{
    /// <summary>Multiply-adds of 16-bit elements that a multiprocessor of an A100 executes per cycle. The choice
    /// depends on the ratio to <see cref="BytesPerCycle"/>. Both are larger on an H100 and smaller on an RTX
    /// 4090.</summary>
    private const double ProductsPerCycle = 1024;

    /// <summary>Bytes per cycle from the second-level cache to a multiprocessor of an A100.</summary>
    private const double BytesPerCycle = 48;

    /// <summary>Cycles of a slice without products: the barrier and the wait for it.</summary>
    private const double CyclesPerSlice = 16;

    /// <summary>Elements of 16 bits in a row of a slice. In float32, both the elements and the products per cycle
    /// are half of that.</summary>
    private const int SliceElements = SwizzledTile.RowBytes / sizeof(ushort);

    /// <summary>128 × 128, eight warps.</summary>
    public static GemmMmaShape Large { get; } = Of<GemmMmaTile128x128>(index: 0, blockCount: 2);

    /// <summary>128 × 128, four warps; for sm_90 and newer.</summary>
    public static GemmMmaShape LargeWide { get; } = Of<GemmMmaTile128x128Wide>(index: 1, blockCount: 2);

    /// <summary>128 × 64.</summary>
    public static GemmMmaShape Medium { get; } = Of<GemmMmaTile128x64>(index: 2, blockCount: 3);

    /// <summary>64 × 64.</summary>
    public static GemmMmaShape Small { get; } = Of<GemmMmaTile64x64>(index: 3, blockCount: 4);

    /// <summary>All shapes.</summary>
    public static IReadOnlyList<GemmMmaShape> All { get; } = [Large, LargeWide, Medium, Small];

    /// <summary>The shape with which the busiest multiprocessor finishes first; the larger one of equals. All shapes
    /// give the same bits, so the choice may depend on the batch.</summary>
    /// <param name="rowCount">Rows of C.</param>
    /// <param name="columnCount">Columns of C.</param>
    /// <param name="productCount">Products in one launch.</param>
    /// <param name="device">The device.</param>
    public static GemmMmaShape For(int rowCount, int columnCount, int productCount, DeviceProperties device)
    {
        GemmMmaShape large = device.Architecture >= 90 ? LargeWide : Large;
        return new[] { large, Medium, Small }.MinBy(shape =>
        {
            long blocks = shape.CountTiles(rowCount, columnCount) * productCount;
            long most = (blocks + device.MultiprocessorCount - 1) / device.MultiprocessorCount;
            return most * shape.SliceCycles;
        })!;
    }

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

    /// <summary>The cycles that a multiprocessor needs for a slice. Copies and products overlap.</summary>
    private double SliceCycles => CyclesPerSlice + Math.Max(
        Rows * Columns * SliceElements / ProductsPerCycle,
        (Rows + Columns) * SwizzledTile.RowBytes / BytesPerCycle);

    private static GemmMmaShape Of<TTile>(int index, int blockCount)
        where TTile : struct, IGemmMmaTile
        => new(index, typeof(TTile),
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileRows,
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileColumns,
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.BlockSize,
            blockCount);

    private long CountTiles(int rowCount, int columnCount)
        => ((rowCount + Rows - 1L) / Rows) * ((columnCount + Columns - 1L) / Columns);
}
