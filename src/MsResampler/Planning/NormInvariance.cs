using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>Removes from weights, when a model is loaded, what a layer normalisation subtracts anyway: a constant over the
/// channels of its input. A float32 row far from 0 keeps few digits of its deviation; a row of mean 0 keeps all.</summary>
internal static class NormInvariance
{
    /// <summary>A matrix whose product is normalised, each column less its mean, so that rows of the product have mean 0.
    /// Where a difference is outside float32, the matrix unchanged.</summary>
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

    /// <summary>The biases of out_proj less a constant, and the bias of the gate's first layer, corrected for that.</summary>
    /// <remarks>With a gate of token granularity a branch's constant comes to ln_post times one weight, the same for every
    /// channel, so that each branch has its own. With head granularity the weights differ from head to head, but those of
    /// all branches add up to 1: the branches have one constant together, the mean nearest to 0.</remarks>
    /// <param name="config">The model.</param>
    /// <param name="weights">Its weights.</param>
    /// <returns>For each scope the bias of out_proj; the bias of fc1, null without a gate. As they are where one would be
    /// outside float32.</returns>
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

    /// <summary>The constant that ln_post takes from the bias of each branch.</summary>
    public static double[] Constants(ResamplerConfig config, double[][] biases)
    {
        double[] means = [.. biases.Select(bias => bias.Average())];
        // More than all have in common would drown a branch of small biases in what one of large biases needs.
        if (config.Gate?.Granularity == GateGranularity.Head)
            Array.Fill(means, means.All(mean => mean > 0) || means.All(mean => mean < 0) ? means.MinBy(Math.Abs) : 0);
        return means;
    }

    private static double[] Bias(WeightTensor? bias, int count) => bias?.ToDouble() ?? new double[count];

    private static bool AreSingle(double[] values) => Array.TrueForAll(values, value => float.IsFinite((float)value));
}
