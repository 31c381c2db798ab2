using MsResampler.Planning;

namespace MsResampler.Tests.Planning;

/// <summary>The part that is removed from weights before a normalisation changes neither its result nor the input of
/// the gate.</summary>
public class NormInvarianceTests
{
    private static ResamplerConfig Config(GateGranularity granularity)
        => Configs.Of(Configs.Window(2, 2), Configs.None) with
        {
            Gate = new GateConfig(7, granularity),
        };

    [Test]
    public void Columns_before_a_normalisation_have_mean_0()
    {
        using TestModel model = new(Config(GateGranularity.Head), edit: tensor => tensor.Name == "kv_proj.weight"
            ? tensor with { ValueAt = index => tensor.ValueAt(index) + 1000 } : tensor);
        WeightTensor weight = model.Model.Weights.KeyValueInput!;

        double[] centred = NormInvariance.Centred(weight);

        for (int column = 0; column < weight.Columns; column++)
        {
            double[] values = [.. Enumerable.Range(0, weight.Rows)
                .Select(row => centred[(row * weight.Columns) + column])];
            Assert.That(values.Sum(), Is.Zero.Within(1e-9));
            Assert.That(values[1] - values[0], Is.EqualTo((double)weight.ToSingle()[weight.Columns + column]
                - weight.ToSingle()[column]).Within(1e-9));
        }
    }

    [Test]
    public void Differences_beyond_float32_leave_a_matrix_unchanged()
    {
        using TestModel model = new(Config(GateGranularity.Head), edit: tensor => tensor.Name == "kv_proj.weight"
            ? tensor with { ValueAt = index => index < 12 ? 3e38f : -3e38f } : tensor);
        WeightTensor weight = model.Model.Weights.KeyValueInput!;
        Assert.That(NormInvariance.Centred(weight), Is.EqualTo(weight.ToDouble()));
    }

    [TestCase(GateGranularity.Token)]
    [TestCase(GateGranularity.Head)]
    public void Branches_lose_a_constant_without_changing_the_gate_input(GateGranularity granularity)
    {
        ResamplerConfig config = Config(granularity);
        using TestModel model = new(config, edit: tensor =>
            tensor.Name.EndsWith("out_proj.bias", StringComparison.Ordinal)
            ? tensor with { ValueAt = index => tensor.ValueAt(index) + (tensor.Name.Contains(".0.") ? 1000 : 500) }
            : tensor);
        ResamplerWeights weights = model.Model.Weights;

        (double[][] outputs, double[]? hidden) = NormInvariance.Biases(config, weights);

        double[][] given = [.. weights.Scopes.Select(scope => scope.OutputProjection.Bias!.ToDouble())];
        double[] constants = [.. given.Zip(outputs, (bias, output) => bias[0] - output[0])];
        using (Assert.EnterMultipleScope())
        {
            for (int scope = 0; scope < 2; scope++)
                Assert.That(given[scope].Zip(outputs[scope], (bias, output) => bias - output),
                    Has.All.EqualTo(constants[scope]).Within(1e-9), "one constant a branch");
            if (granularity == GateGranularity.Head)
                Assert.That((constants[0], outputs[1].Average()), Is.EqualTo((constants[1], 0)).Within(1e-9),
                    "one constant of all branches, the mean nearest to 0");
            else
                Assert.That(outputs.Select(bias => bias.Average()), Has.All.Zero.Within(1e-9));
            Assert.That(Layer(weights.Gate!.Hidden, outputs, hidden!),
                Is.EqualTo(Layer(weights.Gate.Hidden, given, weights.Gate.Hidden.Bias!.ToDouble())).Within(1e-9));
        }
    }

    // The gate may have closed the other scope: 10²⁰ minus 10²⁰/2 would lose everything that this scope adds.
    [TestCase(1e20f, 0.5f)]
    [TestCase(1e20f, -0.5f)]
    [TestCase(-1e20f, -0.5f)]
    public void Small_biases_of_a_branch_survive_beside_large_ones(float large, float small)
    {
        double[] constants = NormInvariance.Constants(
            Config(GateGranularity.Head), [[large, large], [small, 2 * small]]);

        Assert.That(constants, Is.All.EqualTo(large > 0 == small > 0 ? 1.5 * small : 0));
    }

    [Test]
    public void Biases_that_would_exceed_float32_stay_unchanged()
    {
        using TestModel model = new(Config(GateGranularity.Token), edit: tensor => tensor.Name switch
        {
            "scopes.0.attn.out_proj.bias" => tensor with { ValueAt = _ => 1e38f },
            "gate.fc1.weight" => tensor with { ValueAt = _ => 1 },
            _ => tensor,
        });
        ResamplerWeights weights = model.Model.Weights;
        (double[][] outputs, double[]? hidden) = NormInvariance.Biases(model.Model.Config, weights);
        Assert.That(outputs[0], Has.All.EqualTo((double)1e38f));
        Assert.That(hidden, Is.EqualTo(weights.Gate!.Hidden.Bias!.ToDouble()));
    }

    /// <summary>fc1 for branches that consist only of their biases.</summary>
    private static double[] Layer(LinearWeights layer, double[][] branches, double[] bias)
    {
        double[] input = [.. branches.SelectMany(branch => branch)];
        double[] weight = layer.Weight.ToDouble();
        return [.. bias.Select((value, row) => value
            + input.Select((element, column) => element * weight[(row * input.Length) + column]).Sum())];
    }
}
