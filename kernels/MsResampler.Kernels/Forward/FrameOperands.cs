namespace MsResampler.Kernels.Forward;

/// <summary>What <see cref="FrameOffsets"/> are computed from.</summary>
/// <param name="KeyHeads">The layout of a scope's keys in the other members.</param>
/// <param name="KeyLayer">k_proj of all scopes that have one, in float32, without a bias; not used if keys have no
/// positions in time.</param>
/// <param name="KeyBias">What every key of a scope adds that attention leaves out, [key scopes, heads]; not used if
/// queries do not depend on the grid.</param>
/// <param name="QueriesOf">Projected queries for a grid in float32, [S, M, heads]; called if they depend on the grid or
/// keys have positions in time.</param>
internal sealed record FrameOperands(PaddedAxis KeyHeads, DeviceLinear KeyLayer, double[] KeyBias,
    Func<PatchGrid, IDeviceStream, float[]> QueriesOf)
{
    /// <summary>The bias of k_proj of all scopes that have one, [key scopes, heads]: its own, plus the product of its
    /// weight with the bias of the normalisation before it if that is left out of the rows. Empty if queries do not
    /// depend on the grid.</summary>
    /// <param name="layout">The layout of the keys.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="hasShift">Whether the bias of the normalisation is left out.</param>
    public static double[] BiasOf(ModelLayout layout, ResamplerWeights weights, bool hasShift)
    {
        if (!layout.HasAnchoredQueries)
            return [];
        PaddedAxis heads = layout.Heads;
        double[]? shift = hasShift ? weights.KeyValueNorm.Bias.ToDouble() : null;
        List<double> result = [];
        for (int scope = 0; scope < layout.KeyScopeCount; scope++)
        {
            LinearWeights layer = weights.Scopes[scope].KeyProjection;
            double[] bias = layer.Bias?.ToDouble() ?? new double[layer.Weight.Rows];
            if (shift is not null)
            {
                double[] weight = layer.Weight.ToDouble();
                for (int index = 0; index < weight.Length; index++)
                    bias[index / shift.Length] += weight[index] * shift[index % shift.Length];
            }

            foreach (double[] head in bias.Chunk(heads.SegmentSize))
                result.AddRange([.. head, .. new double[heads.PaddedSegment - heads.SegmentSize]]);
        }

        return [.. result];
    }
}
