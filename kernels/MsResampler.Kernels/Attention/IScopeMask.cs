using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>What a scope does to logits.</summary>
internal interface IScopeMask
{
    /// <summary>Masks a warp's logits of 16 queries and some chunks of 16 keys, two accumulators of <see cref="Mma"/>
    /// for each.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="chunkCount">Chunks of 16 keys.</param>
    /// <param name="places">The lists of keys.</param>
    /// <param name="first">Where the first chunk's four keys of this lane lie.</param>
    /// <param name="upper">What the query of this lane's row g sees.</param>
    /// <param name="lower">What that of row g+8 sees.</param>
    static abstract void Apply(Float4[] logits, int chunkCount, ArrayView<int> places, int first, QueryScope upper,
        QueryScope lower);
}

/// <summary>Every query sees every key.</summary>
internal readonly struct NoMask : IScopeMask
{
    public static void Apply(Float4[] logits, int chunkCount, ArrayView<int> places, int first, QueryScope upper,
        QueryScope lower)
    {
    }
}

/// <summary>A query sees what is in its window.</summary>
internal readonly struct WindowMask : IScopeMask
{
    public static void Apply(Float4[] logits, int chunkCount, ArrayView<int> places, int first, QueryScope upper,
        QueryScope lower)
    {
        for (int chunk = 0; chunk < chunkCount; chunk++)
        {
            UInt4 keys = GlobalMemoryAccess.LoadConstantUInt4(ref places[first + (ScopeSchedule.UnitSize * chunk)]);
            Float4 left = logits[2 * chunk];
            Float4 right = logits[(2 * chunk) + 1];
            logits[2 * chunk] = new Float4(upper.Mask(left.X, keys.X), upper.Mask(left.Y, keys.Y),
                lower.Mask(left.Z, keys.X), lower.Mask(left.W, keys.Y));
            logits[(2 * chunk) + 1] = new Float4(upper.Mask(right.X, keys.Z), upper.Mask(right.Y, keys.W),
                lower.Mask(right.Z, keys.Z), lower.Mask(right.W, keys.W));
        }
    }
}

/// <summary>A query sees what is in its window, the less the further it is.</summary>
internal readonly struct GaussianMask : IScopeMask
{
    public static void Apply(Float4[] logits, int chunkCount, ArrayView<int> places, int first, QueryScope upper,
        QueryScope lower)
    {
        for (int chunk = 0; chunk < chunkCount; chunk++)
        {
            UInt4 keys = GlobalMemoryAccess.LoadConstantUInt4(ref places[first + (ScopeSchedule.UnitSize * chunk)]);
            Float4 left = logits[2 * chunk];
            Float4 right = logits[(2 * chunk) + 1];
            logits[2 * chunk] = new Float4(upper.MaskAndBias(left.X, keys.X), upper.MaskAndBias(left.Y, keys.Y),
                lower.MaskAndBias(left.Z, keys.X), lower.MaskAndBias(left.W, keys.Y));
            logits[(2 * chunk) + 1] = new Float4(upper.MaskAndBias(right.X, keys.Z),
                upper.MaskAndBias(right.Y, keys.W), lower.MaskAndBias(right.Z, keys.Z),
                lower.MaskAndBias(right.W, keys.W));
        }
    }
}
