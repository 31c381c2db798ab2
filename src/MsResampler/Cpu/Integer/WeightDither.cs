using System.Runtime.CompilerServices;

namespace MsResampler.Cpu.Integer;

/// <summary>What is added to an attention weight before it is rounded, between −1/2 and 1/2, by its place in a block of
/// keys.</summary>
/// <remarks>
/// <para>Rounded to the nearest level, all weights below half a level vanish. If one key has the largest weight by far
/// and many others share the rest (an attention sink), up to 40 % of the sum of the weights did. With the dither, a
/// weight of a third of a level becomes a whole level in a third of the places: the sum of many keys is right.</para>
/// <para>Multiples of the golden ratio, modulo 1, are spread evenly in every range of places. The values depend on the
/// place alone, so that weights have the same bits in any batch.</para>
/// </remarks>
internal static unsafe class WeightDither
{
    /// <summary>The largest absolute value. The largest weight, of a whole number of levels, must stay as it
    /// is.</summary>
    public const float Largest = 0.496f;

    /// <summary>One value for each key of a block and of its last step.</summary>
    public static float* Values { get; } = Create();

    private static float* Create()
    {
        const int MaxStepLength = 4;
        const int Count = IntegerHeads.KeyBlock + MaxStepLength;
        const double GoldenRatio = 0.6180339887498949;
        float* values = (float*)RuntimeHelpers.AllocateTypeAssociatedMemory(typeof(WeightDither),
            Count * sizeof(float));
        for (int key = 0; key < Count; key++)
            values[key] = (float)((2 * ((key + 0.5) * GoldenRatio % 1)) - 1) * Largest;
        return values;
    }
}
