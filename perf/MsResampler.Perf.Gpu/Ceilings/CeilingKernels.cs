using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Perf.Ceilings;

/// <summary>The kernels that show what a device can do at most.</summary>
internal static class CeilingKernels
{
    /// <summary>Blocks of <see cref="MmaCeiling{TElement}"/> that share a multiprocessor: four warps for each of its
    /// schedulers.</summary>
    public const int MmaBlockCount = 2;

    /// <summary>Blocks of <see cref="CopyCeiling"/> that share a multiprocessor.</summary>
    public const int CopyBlockCount = 4;

    /// <summary>float16 products.</summary>
    public static KernelVariant Float16 { get; } = MmaOf<MmaFloat16>();

    /// <summary>bfloat16 products.</summary>
    public static KernelVariant BFloat16 { get; } = MmaOf<MmaBFloat16>();

    /// <summary>TensorFloat32 products.</summary>
    public static KernelVariant TensorFloat32 { get; } = MmaOf<MmaTensorFloat32>();

    /// <summary>A copy of memory.</summary>
    public static KernelVariant Copy { get; } = new(typeof(CopyCeiling), CopyCeiling.GroupSize, CopyBlockCount);

    /// <summary>Nothing.</summary>
    public static KernelVariant Empty { get; } = new(typeof(EmptyKernel), 32, 1);

    private static KernelVariant MmaOf<TElement>()
        where TElement : struct, IMmaElement
        => new(typeof(MmaCeiling<TElement>), MmaCeiling<TElement>.GroupSize, MmaBlockCount);
}
