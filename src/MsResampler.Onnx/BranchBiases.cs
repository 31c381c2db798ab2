using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>The biases of the branch outputs and of the first layer of the gate, adjusted so that rows before
/// ln_post are near 0. A constant over the channels, which ln_post subtracts, is removed: float32 rows far from 0
/// lose precision.</summary>
/// <param name="Outputs">For each scope the bias of its output, [D].</param>
/// <param name="GateHidden">The bias of fc1, corrected for the removed constants, [G]; null without a gate.</param>
internal sealed record BranchBiases(float[][] Outputs, float[]? GateHidden)
{
    /// <summary>The adjusted biases of a model; the original biases if an adjusted one leaves the range of
    /// float32.</summary>
    public static BranchBiases Of(ResamplerConfig config, ResamplerWeights weights)
    {
        double[][] outputs = [.. weights.Scopes.Select(QuerySide.OutputBias)];
        double[]? hidden = weights.Gate is { } gate
            ? gate.Hidden.Bias?.ToDouble() ?? new double[gate.Hidden.Weight.Rows] : null;
        double[] constants = Constants(config, outputs);
        BranchBiases adjusted = Round(
            outputs.Select((bias, scope) => bias.Select(value => value - constants[scope])),
            hidden is null ? null : Add(hidden, weights.Gate!.Hidden.Weight, constants, config.HiddenSize));
        return adjusted.IsFinite ? adjusted : Round(outputs, hidden);
    }

    private bool IsFinite => Outputs.Append(GateHidden ?? []).All(values => Array.TrueForAll(values, float.IsFinite));

    /// <summary>The constant that is removed from each branch: the mean of its bias. If every head has a gate weight
    /// of its own, only a constant common to all branches can be removed, because only the sum of the weights is the
    /// same for all channels. It is the mean nearest to 0 if all means have the same sign, otherwise 0.</summary>
    private static double[] Constants(ResamplerConfig config, double[][] outputs)
    {
        double[] means = [.. outputs.Select(bias => bias.Average())];
        if (config.Gate?.Granularity == GateGranularity.Head)
            Array.Fill(means, means.Min() > 0 ? means.Min() : means.Max() < 0 ? means.Max() : 0);
        return means;
    }

    private static double[] Add(double[] hidden, WeightTensor weight, double[] constants, int width)
    {
        double[] values = weight.ToDouble();
        return [.. hidden.Select((bias, row) => bias + constants.Select((constant, scope) => constant
            * TensorPrimitives.Sum<double>(values.AsSpan((row * weight.Columns) + (scope * width), width))).Sum())];
    }

    private static BranchBiases Round(IEnumerable<IEnumerable<double>> outputs, double[]? hidden)
        => new([.. outputs.Select(bias => bias.Select(value => (float)value).ToArray())],
            hidden is null ? null : Array.ConvertAll(hidden, value => (float)value));
}
