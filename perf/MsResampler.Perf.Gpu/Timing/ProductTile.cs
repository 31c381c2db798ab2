using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Timing;

/// <summary>Finds the tile of a kernel.</summary>
internal static class ProductTile
{
    /// <summary>The tile of a kernel of products on tensor cores; null for other kernels.</summary>
    public static GemmShape? Of(KernelVariant variant)
        => GemmShape.All.FirstOrDefault(shape => variant.Kernel.GenericTypeArguments.Contains(shape.Tile));
}
