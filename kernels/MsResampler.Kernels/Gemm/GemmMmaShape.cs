using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>A tile of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> as the host sees it, and which one
/// suits a product.</summary>
/// <param name="Index">Its place in <see cref="All"/>.</param>
/// <param name="Tile">The tile's type.</param>
/// <param name="Rows">Rows of C in a tile.</param>
/// <param name="Columns">Columns of C in a tile.</param>
/// <param name="GroupSize">Threads of a block.</param>
/// <param name="BlockCount">Blocks that should share a multiprocessor: registers are limited so that they
/// fit.</param>
internal sealed record GemmMmaShape(int Index, Type Tile, int Rows, int Columns, int GroupSize, int BlockCount)
{
    /// <summary>Multiplications and additions of 16-bit elements that a multiprocessor makes in a cycle on an A100.
    /// The choice depends on their ratio to <see cref="BytesPerCycle"/>: on an H100 both are larger, on an RTX 4090
    /// smaller.</summary>
    private const double ProductsPerCycle = 1024;

    /// <summary>Bytes that the second-level cache brings a multiprocessor in a cycle on an A100.</summary>
    private const double BytesPerCycle = 48;

    /// <summary>Cycles of a slice that belong to no product: the barrier, and what it makes warps wait.</summary>
    private const double CyclesPerSlice = 16;

    /// <summary>Elements of 16 bits in a row of a slice. For float32 both products and elements are half as many in the
    /// same time.</summary>
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

    /// <summary>The shape with which the busiest multiprocessor is done first; the larger of equals. Every shape gives
    /// the same bits, so that the choice may depend on the batch.</summary>
    /// <param name="rowCount">Rows of C.</param>
    /// <param name="columnCount">Columns of C.</param>
    /// <param name="productCount">Products in one launch.</param>
    /// <param name="device">Where they run.</param>
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

    /// <summary>The kernel.</summary>
    public KernelVariant KernelFor<TElement, TEpilogue, TOutput>()
        where TElement : struct, IMmaElement
        where TEpilogue : struct, IGemmMmaEpilogue
        where TOutput : struct, IGemmMmaOutput
        => new(typeof(GemmMma<,,,>).MakeGenericType(Tile, typeof(TElement), typeof(TEpilogue), typeof(TOutput)),
            GroupSize, BlockCount, MinArchitecture: 80);

    /// <summary>The blocks of products.</summary>
    /// <param name="rowCount">Rows of C.</param>
    /// <param name="columnCount">Columns of C.</param>
    /// <param name="productCount">Products in one launch.</param>
    public LaunchSize LaunchFor(int rowCount, int columnCount, int productCount)
        => new(checked((int)CountTiles(rowCount, columnCount)), productCount, GroupSize);

    /// <summary>What a slice of a tile costs a multiprocessor: copies run beside the products.</summary>
    private double SliceCycles => CyclesPerSlice + Math.Max(
        Rows * Columns * SliceElements / ProductsPerCycle,
        (Rows + Columns) * SwizzledTile.RowBytes / BytesPerCycle);

    private static GemmMmaShape Of<TTile>(int index, int blockCount)
        where TTile : struct, IGemmMmaTile
        => new(index, typeof(TTile),
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileRows,
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileColumns,
            GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.GroupSize,
            blockCount);

    private long CountTiles(int rowCount, int columnCount)
        => ((rowCount + Rows - 1L) / Rows) * ((columnCount + Columns - 1L) / Columns);
}
