using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>The biases of the branches' outputs and of the gate's first layer, moved so that rows before ln_post are near
/// 0: a constant over the channels is subtracted by ln_post anyway, and float32 would lose the row's digits beside
/// it.</summary>
/// <param name="Outputs">For each scope the bias of its output, [D].</param>
/// <param name="GateHidden">The bias of fc1, which makes up for what its inputs lack, [G]; null without a gate.</param>
internal sealed record BranchBiases(float[][] Outputs, float[]? GateHidden)
{
    /// <summary>The moved biases of a model; as they are where a moved one is outside float32.</summary>
    public static BranchBiases Of(ResamplerConfig config, ResamplerWeights weights)
    {
        double[][] outputs = [.. weights.Scopes.Select(QuerySide.OutputBias)];
        double[]? hidden = weights.Gate is { } gate
            ? gate.Hidden.Bias?.ToDouble() ?? new double[gate.Hidden.Weight.Rows] : null;
        double[] constants = Constants(config, outputs);
        BranchBiases moved = Round(outputs.Select((bias, scope) => bias.Select(value => value - constants[scope])),
            hidden is null ? null : Add(hidden, weights.Gate!.Hidden.Weight, constants, config.HiddenSize));
        return moved.IsFinite ? moved : Round(outputs, hidden);
    }

    private bool IsFinite => Outputs.Append(GateHidden ?? []).All(values => Array.TrueForAll(values, float.IsFinite));

    /// <summary>What each branch loses: its mean. Where a gate weighs heads apart, a channel's weights still add up to 1, so
    /// that all branches can lose one constant together: of means of one sign the one nearest to 0.</summary>
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
