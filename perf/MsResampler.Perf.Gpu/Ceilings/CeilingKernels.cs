using MsResampler.Kernels.Tiles;

namespace MsResampler.Perf.Ceilings;

/// <summary>The kernels that measure the limits of a device.</summary>
internal static class CeilingKernels
{
    /// <summary>Blocks of <see cref="MmaCeiling{TElement}"/> on a multiprocessor: four warps for each of its
    /// schedulers.</summary>
    public const int MmaBlockCount = 2;

    /// <summary>Blocks of <see cref="CopyCeiling"/> on a multiprocessor.</summary>
    public const int CopyBlockCount = 4;

    /// <summary>Blocks of <see cref="WgmmaCeiling{TElement}"/> on a multiprocessor: two warpgroups, as in the largest
    /// tile of products.</summary>
    public const int WgmmaBlockCount = 1;

    /// <summary>Matrix products in float16 with mma.sync, like all but those by warpgroups.</summary>
    public static KernelVariant Float16 { get; } = MmaOf<MmaFloat16>();

    /// <summary>Matrix products in bfloat16.</summary>
    public static KernelVariant BFloat16 { get; } = MmaOf<MmaBFloat16>();

    /// <summary>Matrix products in TensorFloat32.</summary>
    public static KernelVariant TensorFloat32 { get; } = MmaOf<MmaTensorFloat32>();

    /// <summary>Matrix products by warpgroups in float16.</summary>
    public static KernelVariant WarpgroupFloat16 { get; } = WgmmaOf<MmaFloat16>();

    /// <summary>Matrix products by warpgroups in bfloat16.</summary>
    public static KernelVariant WarpgroupBFloat16 { get; } = WgmmaOf<MmaBFloat16>();

    /// <summary>A copy in device memory.</summary>
    public static KernelVariant Copy { get; } = new(typeof(CopyCeiling), CopyCeiling.BlockSize, CopyBlockCount);

    /// <summary>A kernel without work.</summary>
    public static KernelVariant Empty { get; } = new(typeof(EmptyKernel), 32, 1);

    /// <summary>The matrix products.</summary>
    public static IReadOnlyList<KernelVariant> Products { get; } =
        [Float16, BFloat16, TensorFloat32, WarpgroupFloat16, WarpgroupBFloat16];

    /// <summary>Every kernel.</summary>
    public static IEnumerable<KernelVariant> All => [.. Products, Copy, Empty];

    private static KernelVariant MmaOf<TElement>()
        where TElement : struct, IMmaElement
        => new(typeof(MmaCeiling<TElement>), MmaCeiling<TElement>.BlockSize, MmaBlockCount, MinArchitecture: 80);

    private static KernelVariant WgmmaOf<TElement>()
        where TElement : struct, IBits16Element
        => new(typeof(WgmmaCeiling<TElement>), WgmmaCeiling<TElement>.BlockSize, WgmmaBlockCount, MinArchitecture: 90)
        {
            SharedBytes = WgmmaCeiling<TElement>.SharedBytes,
        };
}
