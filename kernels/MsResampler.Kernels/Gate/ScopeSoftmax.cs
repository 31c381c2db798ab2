using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Model;

namespace MsResampler.Kernels.Gate;

/// <summary>The softmax over the scopes of one group of channels, by one thread.</summary>
internal static class ScopeSoftmax
{
    /// <summary>Replaces logits by their softmax. Where one is infinite, none is a number: an overflow would otherwise
    /// take a scope away without a word.</summary>
    /// <param name="gates">Logits, [scopes, groups], in global or shared memory.</param>
    /// <param name="first">The first scope's.</param>
    /// <param name="scopeCount">Scopes.</param>
    /// <param name="groupCount">From one scope's to the next.</param>
    public static void Apply(ArrayView<float> gates, int first, int scopeCount, int groupCount)
    {
        float best = gates[first];
        for (int scope = 1; scope < scopeCount; scope++)
            best = IntrinsicMath.Max(best, gates[first + (scope * groupCount)]);
        float total = 0;
        for (int scope = 0; scope < scopeCount; scope++)
        {
            float logit = PtxMath.Inside(gates[first + (scope * groupCount)], float.PositiveInfinity);
            float value = PtxMath.Exp2((logit - best) * (float)Base2.Log2E);
            gates[first + (scope * groupCount)] = value;
            total += value;
        }

        for (int scope = 0; scope < scopeCount; scope++)
            gates[first + (scope * groupCount)] /= total;
    }
}
