using ILGPU;

namespace MsResampler.Kernels.Attention;

/// <summary>The share of an <see cref="MmaBlock"/> that a warp of <see cref="ScopeAttentionMma{THead, TElement}"/>
/// computes: 16 queries of a head. In a wide block, one of more than 16 queries, each warp has other queries of the
/// same head; in a narrow block each warp has another head.</summary>
/// <param name="Head">The head; the last one if there is none for the warp.</param>
/// <param name="FirstQuery">The first query, counted from that of the tile.</param>
/// <param name="QueryCount">The number of queries; not positive if the warp has none.</param>
internal readonly record struct MmaWarp(int Head, int FirstQuery, int QueryCount)
{
    /// <summary>Warps of a block.</summary>
    public const int Count = 4;

    /// <summary>The share of this thread's warp.</summary>
    /// <param name="block">The block.</param>
    /// <param name="headCount">Heads.</param>
    public static MmaWarp Of(MmaBlock block, int headCount)
    {
        int warp = Group.IdxX / 32;
        bool isWide = block.QueryCount > ScopeSchedule.UnitSize;
        int head = (Grid.IdxY * Count) + warp;
        int firstQuery = isWide ? warp * ScopeSchedule.UnitSize : 0;
        return new MmaWarp(isWide ? Grid.IdxY : IntrinsicMath.Min(head, headCount - 1), firstQuery,
            isWide | head < headCount ? block.QueryCount - firstQuery : 0);
    }
}
