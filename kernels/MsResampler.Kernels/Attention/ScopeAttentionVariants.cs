using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The configurations of <see cref="ScopeAttentionMma{THead, TElement}"/>.</summary>
internal static class ScopeAttentionVariants
{
    /// <summary>Most channels of a head.</summary>
    public const int MaxHeadSize = 128;

    /// <summary>The kernel for heads of a size.</summary>
    /// <param name="headVectors">Groups of 8 channels, 16 at most.</param>
    public static KernelVariant For<TElement>(int headVectors)
        where TElement : struct, IHalfElement
        => headVectors switch
        {
            <= 4 => Of<MmaHeadTile32, TElement>(),
            <= 8 => Of<MmaHeadTile64, TElement>(),
            <= 10 => Of<MmaHeadTile80, TElement>(),
            <= 12 => Of<MmaHeadTile96, TElement>(),
            <= MaxHeadSize / 8 => Of<MmaHeadTile128, TElement>(),
            _ => throw new ArgumentOutOfRangeException(nameof(headVectors), headVectors,
                $"Heads of more than {MaxHeadSize} channels do not fit the tensor-core attention; use float32."),
        };

    private static KernelVariant Of<THead, TElement>()
        where THead : struct, IMmaHeadTile
        where TElement : struct, IHalfElement
        => new(typeof(ScopeAttentionMma<THead, TElement>), ScopeAttentionMma<THead, TElement>.GroupSize,
            THead.BlockCount);
}
