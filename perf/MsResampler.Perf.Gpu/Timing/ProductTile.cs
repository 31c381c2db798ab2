using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Timing;

/// <summary>Finds the tile of a kernel.</summary>
internal static class ProductTile
{
    private static readonly Lazy<Dictionary<string, KernelVariant>> s_variants = new(() =>
        KernelLibrary.All.ToDictionary(variant => variant.Name));

    /// <summary>The tile of a kernel of products on tensor cores; null for other kernels.</summary>
    public static GemmShape? Of(KernelVariant variant)
        => GemmShape.All.FirstOrDefault(shape => variant.Kernel.GenericTypeArguments.Contains(shape.Tile));

    /// <summary>The tile of a kernel of the library by its name; null for other kernels.</summary>
    public static GemmShape? Of(string kernel) => VariantOf(kernel) is { } variant ? Of(variant) : null;

    /// <summary>The kernel of the library with a name, or null.</summary>
    public static KernelVariant? VariantOf(string kernel) => s_variants.Value.GetValueOrDefault(kernel);
}
