using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Gate;

/// <summary>The softmax over the scopes of one gate group, computed by one thread.</summary>
internal static class ScopeSoftmax
{
    /// <summary>Replaces logits by their softmax. If a logit is infinite, all weights become NaN: otherwise an
    /// overflow would silently drop a scope.</summary>
    /// <param name="gates">The logits, [scopes, gate groups], in global or shared memory.</param>
    /// <param name="first">The index of the first scope's logit.</param>
    /// <param name="scopeCount">Scopes.</param>
    /// <param name="gateGroupCount">Gate groups: the distance between the logits of neighbouring scopes.</param>
    public static void Apply(ArrayView<float> gates, int first, int scopeCount, int gateGroupCount)
    {
        float best = gates[first];
        for (int scope = 1; scope < scopeCount; scope++)
            best = IntrinsicMath.Max(best, gates[first + (scope * gateGroupCount)]);
        float total = 0;
        for (int scope = 0; scope < scopeCount; scope++)
        {
            float logit = PtxMath.Inside(gates[first + (scope * gateGroupCount)], float.PositiveInfinity);
            float value = PtxMath.Exp2((logit - best) * (float)Base2.Log2E);
            gates[first + (scope * gateGroupCount)] = value;
            total += value;
        }

        for (int scope = 0; scope < scopeCount; scope++)
            gates[first + (scope * gateGroupCount)] /= total;
    }
}
