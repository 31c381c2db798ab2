using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>What a scope does to logits.</summary>
internal interface IScopeMask
{
    /// <summary>Masks a warp's logits of 16 queries and some units of 16 keys, two accumulators of <see cref="Mma"/>
    /// for each.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="unitCount">Units of 16 keys.</param>
    /// <param name="places">The lists of keys.</param>
    /// <param name="first">Where the first unit's four keys of this lane lie.</param>
    /// <param name="bias">Bias tables.</param>
    /// <param name="scope">What the lane's queries see.</param>
    static abstract void Apply(Float4[] logits, int unitCount, ArrayView<int> places, int first, ArrayView<float> bias,
        LaneScope scope);
}

/// <summary>Every query sees every key.</summary>
internal readonly struct NoMask : IScopeMask
{
    public static void Apply(Float4[] logits, int unitCount, ArrayView<int> places, int first, ArrayView<float> bias,
        LaneScope scope)
    {
    }
}

/// <summary>A query sees what is in its window.</summary>
internal readonly struct WindowMask : IScopeMask
{
    public static void Apply(Float4[] logits, int unitCount, ArrayView<int> places, int first, ArrayView<float> bias,
        LaneScope scope)
    {
        for (int unit = 0; unit < unitCount; unit++)
        {
            UInt4 keys = GlobalMemoryAccess.LoadConstantUInt4(ref places[first + (ScopeSchedule.UnitSize * unit)]);
            Float4 left = logits[2 * unit];
            Float4 right = logits[(2 * unit) + 1];
            logits[2 * unit] = new Float4(scope.MaskUpper(left.X, keys.X), scope.MaskUpper(left.Y, keys.Y),
                scope.MaskLower(left.Z, keys.X), scope.MaskLower(left.W, keys.Y));
            logits[(2 * unit) + 1] = new Float4(scope.MaskUpper(right.X, keys.Z), scope.MaskUpper(right.Y, keys.W),
                scope.MaskLower(right.Z, keys.Z), scope.MaskLower(right.W, keys.W));
        }
    }
}

/// <summary>A query sees what its bias tables say.</summary>
internal readonly struct BiasMask : IScopeMask
{
    public static void Apply(Float4[] logits, int unitCount, ArrayView<int> places, int first, ArrayView<float> bias,
        LaneScope scope)
    {
        for (int unit = 0; unit < unitCount; unit++)
        {
            UInt4 keys = GlobalMemoryAccess.LoadConstantUInt4(ref places[first + (ScopeSchedule.UnitSize * unit)]);
            Float4 left = logits[2 * unit];
            Float4 right = logits[(2 * unit) + 1];
            logits[2 * unit] = new Float4(scope.BiasUpper(bias, left.X, keys.X), scope.BiasUpper(bias, left.Y, keys.Y),
                scope.BiasLower(bias, left.Z, keys.X), scope.BiasLower(bias, left.W, keys.Y));
            logits[(2 * unit) + 1] = new Float4(scope.BiasUpper(bias, right.X, keys.Z), scope.BiasUpper(bias, right.Y, keys.W),
                scope.BiasLower(bias, right.Z, keys.Z), scope.BiasLower(bias, right.W, keys.W));
        }
    }
}
