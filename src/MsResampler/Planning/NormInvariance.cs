using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>Layer normalisation subtracts the mean over the channels, so a constant that is added to all channels
/// has no effect. This class removes such constants from the weights when a model is loaded. The reason is
/// precision: a float32 row with a large mean keeps few digits of its deviations from the mean, a row of mean 0
/// keeps all.</summary>
internal static class NormInvariance
{
    /// <summary>The matrix with the mean of each column subtracted, so that the rows of its product have mean 0.
    /// The product must be the input of a layer normalisation. If a difference exceeds the range of float32, the
    /// result is the unchanged matrix.</summary>
    public static double[] Centred(WeightTensor matrix)
    {
        double[] values = matrix.ToDouble();
        double[] means = new double[matrix.Columns];
        for (int index = 0; index < values.Length; index++)
            means[index % matrix.Columns] += values[index] / matrix.Rows;
        for (int index = 0; index < values.Length; index++)
            values[index] -= means[index % matrix.Columns];
        return AreSingle(values) ? values : matrix.ToDouble();
    }

    /// <summary>Subtracts a constant from the bias of every branch's out_proj, and corrects the bias of the
    /// gate's first layer, which reads the branches before normalisation.</summary>
    /// <remarks>A gate of token granularity multiplies all channels of a branch by the same weight, so each branch
    /// can have its own constant. With head granularity the weights differ between heads, but for each head they add
    /// up to 1 over the branches. Then all branches share one constant: the mean that is nearest to 0.</remarks>
    /// <param name="config">The model.</param>
    /// <param name="weights">Its weights.</param>
    /// <returns>The bias of out_proj for each scope, and the bias of fc1 (null without a gate). If any value
    /// would exceed the range of float32, all biases are unchanged.</returns>
    public static (double[][] Outputs, double[]? GateHidden) Biases(ResamplerConfig config, ResamplerWeights weights)
    {
        double[][] outputs = [.. weights.Scopes.Select(scope
            => Bias(scope.OutputProjection.Bias, config.HiddenSize))];
        double[] constants = Constants(config, outputs);
        double[][] centred = [.. outputs.Select((bias, scope)
            => bias.Select(value => value - constants[scope]).ToArray())];
        if (weights.Gate is not { } gate)
            return (centred.All(AreSingle) ? centred : outputs, null);

        double[] hidden = Bias(gate.Hidden.Bias, gate.Hidden.Weight.Rows);
        double[] corrected = [.. hidden];
        double[] weight = gate.Hidden.Weight.ToDouble();
        int columns = gate.Hidden.Weight.Columns;
        for (int index = 0; index < weight.Length; index++)
            corrected[index / columns] += weight[index] * constants[index % columns / config.HiddenSize];
        return centred.All(AreSingle) && AreSingle(corrected) ? (centred, corrected) : (outputs, hidden);
    }

    /// <summary>The constant to subtract from the bias of each branch.</summary>
    public static double[] Constants(ResamplerConfig config, double[][] biases)
    {
        double[] means = [.. biases.Select(bias => bias.Average())];
        // A shared constant larger than the smallest mean would move that branch away from 0.
        if (config.Gate?.Granularity == GateGranularity.Head)
            Array.Fill(means, means.All(mean => mean > 0) || means.All(mean => mean < 0) ? means.MinBy(Math.Abs) : 0);
        return means;
    }

    private static double[] Bias(WeightTensor? bias, int count) => bias?.ToDouble() ?? new double[count];

    private static bool AreSingle(double[] values) => Array.TrueForAll(values, value => float.IsFinite((float)value));
}
