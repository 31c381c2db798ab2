using ILGPU;

namespace MsResampler.Kernels.Tiles;

/// <summary>Sums and maxima over aligned runs of four or eight lanes. Every lane of a run gets the result; all
/// lanes of the warp take part.</summary>
internal static class LaneReduction
{
    /// <summary>The sum over four lanes, neighbours first.</summary>
    public static float SumOf4(float value)
    {
        value += Warp.ShuffleXor(value, 1);
        return value + Warp.ShuffleXor(value, 2);
    }

    /// <summary>The maximum over four lanes.</summary>
    public static float MaxOf4(float value)
    {
        value = IntrinsicMath.Max(value, Warp.ShuffleXor(value, 1));
        return IntrinsicMath.Max(value, Warp.ShuffleXor(value, 2));
    }

    /// <summary>The sum over eight lanes, the most distant first.</summary>
    public static float SumOf8(float value)
    {
        value += Warp.ShuffleXor(value, 4);
        value += Warp.ShuffleXor(value, 2);
        return value + Warp.ShuffleXor(value, 1);
    }

    /// <summary>The maximum over eight lanes.</summary>
    public static float MaxOf8(float value)
    {
        value = IntrinsicMath.Max(value, Warp.ShuffleXor(value, 4));
        value = IntrinsicMath.Max(value, Warp.ShuffleXor(value, 2));
        return IntrinsicMath.Max(value, Warp.ShuffleXor(value, 1));
    }
}
