using System.Numerics;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Forward;

/// <summary>The kernels for exact products and normalisations in float32, and for copies of rows. Models of every
/// precision use them: the former for the query side and for positions, the latter for tensors of the caller.</summary>
internal static class CommonKernels
{
    private static readonly KernelVariant s_gemm64 = GemmOf<GemmTile64, LinearEpilogue>(blockCount: 4);
    private static readonly KernelVariant s_gemm128 = GemmOf<GemmTile128, LinearEpilogue>(blockCount: 1);
    private static readonly KernelVariant s_gemmGelu64 = GemmOf<GemmTile64, GeluEpilogue>(blockCount: 4);
    private static readonly KernelVariant s_plainNorm = RowWarps.VariantOf(typeof(LayerNormWarp<PlainRows>));
    private static readonly KernelVariant s_positionedNorm = RowWarps.VariantOf(typeof(LayerNormWarp<PositionedRows>));
    private static readonly KernelVariant s_bothNorm = RowWarps.VariantOf(typeof(LayerNormWarp<BothRows>));

    private static readonly KernelVariant[] s_copyRows = [.. new[] { typeof(ushort), typeof(uint), typeof(UInt2),
        typeof(UInt4) }.Select(unit => RowWarps.VariantOf(typeof(CopyRows<>).MakeGenericType(unit)))];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<KernelVariant> All { get; } =
        [s_gemm64, s_gemm128, s_gemmGelu64, s_plainNorm, s_positionedNorm, s_bothNorm, .. s_copyRows];

    /// <summary>Those of models in 16 bits.</summary>
    public static IReadOnlyList<KernelVariant> ForBits16 { get; } =
        [s_gemm64, s_gemm128, s_plainNorm, s_positionedNorm, .. s_copyRows];

    /// <summary>The kernel that copies rows in units of 2, 4, 8 or 16 bytes.</summary>
    public static KernelVariant CopyRowsIn(int unitBytes) => s_copyRows[BitOperations.Log2((uint)unitBytes) - 1];

    /// <summary>Matrix products in float32 without tensor cores.</summary>
    public static KernelLaunch Multiply(Product product, DeviceProperties device)
    {
        bool isLarge = !product.HasGelu && BlockCount<GemmTile128>(product) >= device.MultiprocessorCount;
        KernelVariant kernel = isLarge ? s_gemm128 : product.HasGelu ? s_gemmGelu64 : s_gemm64;
        long blocks = isLarge ? BlockCount<GemmTile128>(product) : BlockCount<GemmTile64>(product);
        return new KernelLaunch(kernel,
            new LaunchSize(checked((int)(blocks / product.Count)), product.Count, kernel.BlockSize),
            product.AddTiledArguments);
    }

    /// <summary>Matrix products on tensor cores.</summary>
    /// <param name="variants">The kernel in all shapes of its precision; the index is
    /// <see cref="GemmShape.Index"/>.</param>
    /// <param name="product">The products.</param>
    /// <param name="device">The device, which decides the shape.</param>
    /// <exception cref="NotSupportedException">The kernel of the device cannot store C as it is laid out.</exception>
    public static KernelLaunch MultiplyTensors(KernelVariant[] variants, Product product, DeviceProperties device)
    {
        GemmShape shape = GemmShape.For(product.Extent, product.ElementBytes, device);
        KernelVariant kernel = variants[shape.Index];
        LaunchSize size = shape.LaunchFor(kernel, product.Extent, device);
        if (shape.Family == GemmFamily.Mma)
            return new KernelLaunch(kernel, size, product.AddMmaArguments);
        if (product.CColumnStride != 4)
        {
            throw new NotSupportedException($"{kernel} stores C by rows: expected {nameof(Product.CColumnStride)} 4, " +
                $"found {product.CColumnStride}. Store C by rows, or multiply with {nameof(GemmMma<,,,>)}.");
        }

        return new KernelLaunch(kernel, size, product.AddWgmmaArguments);
    }

    /// <summary>Layer normalisation of rows in float32.</summary>
    public static KernelLaunch Normalise(Normalisation rows, DeviceProperties device)
    {
        KernelVariant kernel = rows.Positions is null ? s_plainNorm
            : rows.Plain is null ? s_positionedNorm : s_bothNorm;
        return new KernelLaunch(kernel, RowWarps.SizeFor(rows.RowCount, device), rows.AddFloat32Arguments);
    }

    private static KernelVariant GemmOf<TTile, TEpilogue>(int blockCount)
        where TTile : struct, IGemmTile
        where TEpilogue : struct, IEpilogue
        => new(typeof(GemmTiled<TTile, TEpilogue>), GemmTiled<TTile, TEpilogue>.BlockSize, blockCount);

    private static long BlockCount<TTile>(Product product)
        where TTile : struct, IGemmTile
    {
        long rows = (product.RowCount + GemmTiled<TTile, LinearEpilogue>.TileRows - 1L)
            / GemmTiled<TTile, LinearEpilogue>.TileRows;
        long columns = ((product.ColumnCount / 4) + GemmTiled<TTile, LinearEpilogue>.TileVectors - 1L)
            / GemmTiled<TTile, LinearEpilogue>.TileVectors;
        return rows * columns * product.Count;
    }
}
