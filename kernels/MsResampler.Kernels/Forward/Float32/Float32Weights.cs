using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>The weights of a forward pass in float32 and tf32.</summary>
internal sealed record Float32Weights : ForwardWeights
{
    /// <summary>k_proj of all scopes that have one, rows one after another.</summary>
    public DeviceLinear Keys { get; init; }

    /// <summary>v_proj likewise.</summary>
    public DeviceLinear Values { get; init; }

    /// <summary>Weights without memory.</summary>
    /// <param name="hasKeyValueInput">Whether the model has a kv_proj.</param>
    /// <param name="hasGate">Whether it has a gate.</param>
    public static Float32Weights Describe(bool hasKeyValueInput, bool hasGate) => new()
    {
        KeyValueInput = hasKeyValueInput ? default(DeviceLinear) : null,
        GateHidden = hasGate ? default(DeviceLinear) : null,
    };

    /// <summary>Copies a model's weights to the device.</summary>
    /// <param name="tensors">Receives them.</param>
    /// <param name="layout">The model's layout.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="usesTensorCores">Whether matrices are rounded to tf32.</param>
    public static Float32Weights Upload(TensorStore tensors, ModelLayout layout, ResamplerWeights weights,
        bool usesTensorCores)
    {
        PaddedAxis width = layout.Width;
        PaddedAxis heads = layout.Heads;
        IReadOnlyList<ScopeWeights> scopes = weights.Scopes;
        (double[][] outputBiases, double[]? hiddenBias) = NormInvariance.Biases(layout.Config, weights);
        return new Float32Weights
        {
            KeyValueInput = weights.KeyValueInput is not { } input ? null
                : new DeviceLinear(tensors.Add(Rounded(Centred(input, width, layout.Channels))),
                    tensors.Add(new float[width.PaddedSize])),
            KeyValueNorm = tensors.AddNorm(weights.KeyValueNorm, width),
            PostNorm = tensors.AddNorm(weights.PostNorm, width),
            // A bias that is the same for every key drops out of the softmax.
            Keys = new DeviceLinear(
                tensors.Add(layout.KeyScopeCount,
                    scope => Rounded(scopes[scope].KeyProjection.Weight.Pad(heads, width))),
                tensors.Add(new float[layout.KeyScopeCount * heads.PaddedSize])),
            Values = new DeviceLinear(
                tensors.Add(layout.KeyScopeCount,
                    scope => Rounded(scopes[scope].ValueProjection.Weight.Pad(heads, width))),
                tensors.Add(layout.KeyScopeCount, scope => scopes[scope].ValueProjection.Bias.Pad(heads))),
            // ln_post follows the output of a single scope directly.
            Outputs = new DeviceLinear(
                tensors.Add(scopes.Count, scope => Rounded(scopes.Count == 1
                    ? Centred(scopes[scope].OutputProjection.Weight, width, heads)
                    : scopes[scope].OutputProjection.Weight.Pad(width, heads))),
                tensors.Add(scopes.Count, scope => width.Pad(PaddedAxis.Round(outputBiases[scope])))),
            GateHidden = weights.Gate is not { } gate ? null
                : new DeviceLinear(tensors.Add(Rounded(gate.Hidden.Weight.Pad(layout.GateHidden, layout.Branches))),
                    tensors.Add(layout.GateHidden.Pad(PaddedAxis.Round(hiddenBias!)))),
            GateOutput = tensors.AddGateOutput(weights.Gate, layout),
            Projection = new DeviceLinear(tensors.Add(Rounded(weights.Projection.Weight.Pad(layout.Output, width))),
                tensors.Add(weights.Projection.Bias.Pad(layout.Output))),
        };

        float[] Rounded(float[] matrix)
        {
            for (int index = 0; usesTensorCores && index < matrix.Length; index++)
                matrix[index] = BitConverter.UInt32BitsToSingle(Pack.TF32(matrix[index]));
            return matrix;
        }
    }

    /// <summary>A matrix that a normalisation follows.</summary>
    private static float[] Centred(WeightTensor matrix, PaddedAxis rows, PaddedAxis columns)
        => PaddedAxis.Pad(PaddedAxis.Round(NormInvariance.Centred(matrix)), rows, columns);
}
