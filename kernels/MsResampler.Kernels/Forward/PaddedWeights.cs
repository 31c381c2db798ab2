namespace MsResampler.Kernels.Forward;

/// <summary>Weights in float32 in the device's layout.</summary>
internal static class PaddedWeights
{
    /// <summary>A vector; zeros if the model does not have it.</summary>
    public static float[] Pad(this WeightTensor? vector, PaddedAxis axis, float factor = 1)
        => axis.Pad(vector is null ? [] : vector.ToSingle(), factor);

    /// <summary>A matrix.</summary>
    public static float[] Pad(this WeightTensor matrix, PaddedAxis rows, PaddedAxis columns, float factor = 1)
        => PaddedAxis.Pad(matrix.ToSingle(), rows, columns, factor);

    /// <summary>Copies a layer normalisation to the device.</summary>
    public static DeviceNorm AddNorm(this TensorStore tensors, NormWeights norm, PaddedAxis width)
        => new(tensors.Add(norm.Weight.Pad(width)), tensors.Add(norm.Bias.Pad(width)));

    /// <summary>Copies the gate's second layer to the device.</summary>
    public static DeviceLinear AddGateOutput(this TensorStore tensors, GateWeights? gate, ModelLayout layout)
    {
        if (gate is null)
            return default;
        PaddedAxis logits = new(layout.GateCount);
        return new DeviceLinear(tensors.Add(gate.Output.Weight.Pad(logits, layout.GateHidden)),
            tensors.Add(gate.Output.Bias.Pad(logits)));
    }
}
