using MsResampler.Kernels.Gemm.Warpgroup;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>A tile of a product on tensor cores on the host, and the choice of a tile for a product.</summary>
internal sealed record GemmShape
{
    /// <summary>The index in <see cref="All"/>.</summary>
    public required int Index { get; init; }

    /// <summary>The kernel's instruction.</summary>
    public required GemmFamily Family { get; init; }

    /// <summary>The type of the tile.</summary>
    public required Type Tile { get; init; }

    /// <summary>Rows of C in a tile.</summary>
    public required int Rows { get; init; }

    /// <summary>Columns of C in a tile.</summary>
    public required int Columns { get; init; }

    /// <summary>Threads of a block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks that should share a multiprocessor; registers are limited accordingly.</summary>
    public required int BlockCount { get; init; }

    /// <summary>Bytes of a row of A or W in a slice.</summary>
    public required int SliceBytes { get; init; }

    /// <summary>Slices that are copied while one is multiplied.</summary>
    public required int CopiesAhead { get; init; }

    /// <summary>The parts of a tile that are multiplied from shared memory on their own, by a warp or a
    /// warpgroup.</summary>
    public required int PartCount { get; init; }

    /// <summary>Rows of C in a part.</summary>
    public required int PartRows { get; init; }

    /// <summary>Columns of C in a part.</summary>
    public required int PartColumns { get; init; }

    /// <summary>The dynamic shared memory of a block in bytes.</summary>
    public required int SharedBytes { get; init; }

    /// <summary>The dynamic shared memory with a <see cref="ScaledEpilogue"/>.</summary>
    public required int ScaledSharedBytes { get; init; }

    /// <summary>128 × 128 by mma.sync, eight warps.</summary>
    public static GemmShape Large { get; } = Of<GemmMmaTile128x128>(index: 0, blockCount: 2);

    /// <summary>128 × 128 by mma.sync, four warps.</summary>
    public static GemmShape LargeWide { get; } = Of<GemmMmaTile128x128Wide>(index: 1, blockCount: 2);

    /// <summary>128 × 64 by mma.sync.</summary>
    public static GemmShape Medium { get; } = Of<GemmMmaTile128x64>(index: 2, blockCount: 3);

    /// <summary>64 × 64 by mma.sync.</summary>
    public static GemmShape Small { get; } = Of<GemmMmaTile64x64>(index: 3, blockCount: 4);

    /// <summary>The shapes of mma.sync.</summary>
    public static IReadOnlyList<GemmShape> Mma { get; } = [Large, LargeWide, Medium, Small];

    /// <summary>The shapes of wgmma, the largest first.</summary>
    /// <remarks>Each is the choice for some product of the published sizes. None of 128 × 64, 96, 160, 192 and 224,
    /// 64 × 96, 160 and 192, 192 × 128 and 256 × 128 would shorten their products by more than 0.3 % on average, by
    /// <see cref="GemmCost"/>; each would be four more kernels to load for a model.</remarks>
    public static IReadOnlyList<GemmShape> Wgmma { get; } =
    [
        OfWarpgroups<GemmWgmmaTile128x256>(index: 4), OfWarpgroups<GemmWgmmaTile128x128>(index: 5),
        OfWarpgroups<GemmWgmmaTile64x256>(index: 6), OfWarpgroups<GemmWgmmaTile64x128>(index: 7),
        OfWarpgroups<GemmWgmmaTile64x64>(index: 8), OfWarpgroups<GemmWgmmaTile64x32>(index: 9),
    ];

    /// <summary>All shapes. Those of <see cref="Mma"/> come first.</summary>
    public static IReadOnlyList<GemmShape> All { get; } = [.. Mma, .. Wgmma];

    /// <summary>The large shape of mma.sync on an architecture. The one with eight warps hides latency better, unless
    /// its reads of shared memory take as long as its products.</summary>
    public static GemmShape LargeFor(int architecture)
        => GemmCost.SharedCycles(Large) < GemmCost.ProductCycles(Large, architecture) ? Large : LargeWide;

    /// <summary>The shapes that products on a device may have.</summary>
    /// <remarks>The family depends on the device and the precision alone. It is not known whether the two instructions
    /// round alike, and the bits of an element must not depend on the batch, as a choice by cost does.</remarks>
    /// <param name="target">What kernels of the device are compiled for.</param>
    /// <param name="elementBytes">The size of an element of A and W.</param>
    public static IReadOnlyList<GemmShape> ShapesFor(KernelTarget target, int elementBytes)
        => target.IsHopper && elementBytes == sizeof(ushort) ? Wgmma
            : [LargeFor(target.Architecture), Medium, Small];

    /// <summary>The shape with which the busiest multiprocessor finishes first, by <see cref="GemmCost"/>; of those
    /// that differ by less than a thousandth the largest. All shapes of a device give the same bits, so the choice may
    /// depend on the batch.</summary>
    /// <param name="product">The extents.</param>
    /// <param name="elementBytes">The size of an element of A and W.</param>
    /// <param name="device">The device.</param>
    public static GemmShape For(ProductExtent product, int elementBytes, DeviceProperties device)
    {
        GemmShape[] shapes = Spread([.. ShapesFor(device.Target, elementBytes)], product, device);
        double[] cycles = [.. shapes.Select(shape => GemmCost.Cycles(shape, product, elementBytes, device))];
        double most = cycles.Min() * 1.001;
        return shapes[Array.FindIndex(cycles, count => count <= most)];
    }

    /// <summary>Of the shapes of wgmma, those that a small product is spread with over the device.</summary>
    /// <remarks>The estimate takes the second-level cache for the limit of small products, at a rate that is uncertain,
    /// and would give an image of 576 patches to half of the multiprocessors. If the largest tile leaves two fifths or
    /// more of them idle, only shapes that leave at most a tenth idle are considered, where there are such. By the
    /// estimate the products of one image take a sixth longer so, and those of eight a hundredth.</remarks>
    private static GemmShape[] Spread(GemmShape[] shapes, ProductExtent product, DeviceProperties device)
    {
        const double LeastShare = 0.6;
        const double SpreadShare = 0.9;
        if (shapes[0].Family == GemmFamily.Mma || ShareOf(shapes[0]) > LeastShare)
            return shapes;
        GemmShape[] spread = [.. shapes.Where(shape => ShareOf(shape) >= SpreadShare)];
        return spread.Length > 0 ? spread : shapes;

        double ShareOf(GemmShape shape) => (double)shape.CountTiles(product) / device.MultiprocessorCount;
    }

    /// <summary>The kernel of the shape.</summary>
    /// <exception cref="ArgumentException">The family lacks the type of A and W.</exception>
    public KernelVariant KernelFor<TElement, TEpilogue, TOutput>()
        where TElement : struct, IMmaElement
        where TEpilogue : struct, IGemmMmaEpilogue
        where TOutput : struct, IGemmMmaOutput
    {
        bool isWgmma = Family == GemmFamily.Wgmma;
        Type kernel = (isWgmma ? typeof(GemmWgmma<,,,>) : typeof(GemmMma<,,,>))
            .MakeGenericType(Tile, typeof(TElement), typeof(TEpilogue), typeof(TOutput));
        return new KernelVariant(kernel, BlockSize, BlockCount, MinArchitecture: isWgmma ? 90 : 80)
        {
            SharedBytes = TEpilogue.IsScaled ? ScaledSharedBytes : SharedBytes,
        };
    }

    /// <summary>Tiles of all products.</summary>
    public long CountTiles(ProductExtent product) => CountTilesOfOne(product) * product.Count;

    /// <summary>The blocks of a launch. A block of mma.sync computes one tile; blocks of wgmma are at most as many as
    /// run at once, and compute tiles one after the other.</summary>
    /// <param name="kernel">The kernel of this shape.</param>
    /// <param name="product">The extents.</param>
    /// <param name="device">The device.</param>
    public LaunchSize LaunchFor(KernelVariant kernel, ProductExtent product, DeviceProperties device)
        => Family == GemmFamily.Mma
            ? new LaunchSize(checked((int)CountTilesOfOne(product)), product.Count, BlockSize)
            : new LaunchSize((int)Math.Min(CountTiles(product), (long)device.MultiprocessorCount * BlockCount), 1,
                BlockSize, kernel.SharedBytes);

    private static GemmShape Of<TTile>(int index, int blockCount)
        where TTile : struct, IGemmMmaTile
        => new()
        {
            Index = index,
            Family = GemmFamily.Mma,
            Tile = typeof(TTile),
            Rows = GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileRows,
            Columns = GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileColumns,
            BlockSize = GemmMma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.BlockSize,
            BlockCount = blockCount,
            SliceBytes = SwizzledTile.RowBytes,
            CopiesAhead = TTile.StageCount - 1,
            PartCount = TTile.WarpRows * TTile.WarpColumns,
            PartRows = 16 * TTile.RowTiles,
            PartColumns = 16 * TTile.ColumnPairs,
            SharedBytes = 0,
            ScaledSharedBytes = 0,
        };

    private static GemmShape OfWarpgroups<TTile>(int index)
        where TTile : struct, IGemmWgmmaTile
    {
        int rows = GemmWgmma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.TileRows;
        return new GemmShape
        {
            Index = index,
            Family = GemmFamily.Wgmma,
            Tile = typeof(TTile),
            Rows = rows,
            Columns = TTile.Columns,
            BlockSize = GemmWgmma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.BlockSize,
            BlockCount = TTile.BlockCount,
            SliceBytes = SliceTile.RowBytes,
            CopiesAhead = GemmWgmma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.CopiesAhead,
            PartCount = TTile.WarpgroupCount,
            PartRows = rows / TTile.WarpgroupCount,
            PartColumns = TTile.Columns,
            SharedBytes = GemmWgmma<TTile, MmaFloat16, LinearEpilogue, GemmMmaFloat16>.SharedBytes,
            ScaledSharedBytes = GemmWgmma<TTile, MmaFloat16, ScaledEpilogue, GemmMmaFloat16>.SharedBytes,
        };
    }

    private long CountTilesOfOne(ProductExtent product)
        => ((product.Rows + Rows - 1L) / Rows) * ((product.Columns + Columns - 1L) / Columns);
}
