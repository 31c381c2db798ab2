using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>Applies a mask to a warp's logits.</summary>
internal static class ScopeMask
{
    /// <summary>Masks the logits of 16 queries and some units of 16 keys, two accumulators of <see cref="Mma"/> for
    /// each unit.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="unitCount">Units of 16 keys.</param>
    /// <param name="places">The lists of keys.</param>
    /// <param name="first">The index of this lane's first of four keys in the first unit.</param>
    /// <param name="bias">The bias tables.</param>
    /// <param name="scope">The scopes of the lane's queries.</param>
    public static void Apply<TMask>(Float4[] logits, int unitCount, ArrayView<int> places, int first,
        ArrayView<float> bias, LaneScope scope)
        where TMask : struct, IScopeMask
    {
        if (TMask.IsEmpty)
            return;
        for (int unit = 0; unit < unitCount; unit++)
        {
            UInt4 keys = GlobalMemoryAccess.LoadConstantUInt4(ref places[first + (ScopeSchedule.UnitSize * unit)]);
            Float4 left = logits[2 * unit];
            Float4 right = logits[(2 * unit) + 1];
            logits[2 * unit] = Apply<TMask>(left, keys.X, keys.Y, bias, scope);
            logits[(2 * unit) + 1] = Apply<TMask>(right, keys.Z, keys.W, bias, scope);
        }
    }

    private static Float4 Apply<TMask>(Float4 logits, uint firstKey, uint secondKey, ArrayView<float> bias,
        LaneScope scope)
        where TMask : struct, IScopeMask
        => new(TMask.Upper(scope, bias, logits.X, firstKey), TMask.Upper(scope, bias, logits.Y, secondKey),
            TMask.Lower(scope, bias, logits.Z, firstKey), TMask.Lower(scope, bias, logits.W, secondKey));
}
