namespace MsResampler.Training.Tests.Attention;

/// <summary>The loops against which attention is tested: their gradients are those of their outputs.</summary>
internal sealed class NaiveAttentionTests
{
    /// <summary>Central differences with a step of h have an error of h² in the derivative, and of 1e-16/h from the
    /// rounding of losses near 1: with h = 1e-5, 1e-10 and 1e-11 times moderate factors.</summary>
    private const double Step = 1e-5;

    private const double Tolerance = 1e-8;

    private static AttentionCase[] Cases =>
    [
        new(Configs.Gaussian(1.5, 2), new QueryGrid(2, 3), 3, [new(3, 4), new(2, 2)], [0.3f, -0.2f], logitScale: 3),
        new(Configs.Gaussian(0.4, 0.2, new AxisPair(0.7, 0.5), ScopeUnits.Fraction), new QueryGrid(3, 2), 2,
            [new(4, 5)], [-1f, -1.5f]),
        new(Configs.Window(2, 3, WindowBorder.Shift), new QueryGrid(2, 2), 4, [new(5, 3)]),
        new(Configs.None, new QueryGrid(1, 3), 5, [new(3, 3), new(1, 2)]),
    ];

    [Test]
    public void Gradients_are_those_of_central_differences([ValueSource(nameof(Cases))] object drawn)
    {
        AttentionCase inputs = (AttentionCase)drawn;
        double[][] queries = NaiveAttention.Widen(inputs.Queries);
        double[][] keys = NaiveAttention.Widen(inputs.Keys);
        double[][] values = NaiveAttention.Widen(inputs.PatchValues);
        double[]? logSigma = inputs.LogSigma?.Select(value => (double)value).ToArray();
        NaiveAttention exact = Run();
        for (int frame = 0; frame < inputs.Grids.Length; frame++)
        {
            Check(queries[frame], exact.QueryGradients[frame], "queries");
            Check(keys[frame], exact.KeyGradients[frame], "keys");
            Check(values[frame], exact.ValueGradients[frame], "values");
        }

        if (logSigma is not null)
            Check(logSigma, exact.SigmaGradients, "log sigma");

        NaiveAttention Run() => new(inputs, queries, keys, values, logSigma);

        void Check(double[] parameter, double[] gradient, string name)
        {
            double[] differences = new double[parameter.Length];
            for (int index = 0; index < parameter.Length; index++)
            {
                double value = parameter[index];
                parameter[index] = value + Step;
                double above = Run().Loss;
                parameter[index] = value - Step;
                differences[index] = (above - Run().Loss) / (2 * Step);
                parameter[index] = value;
            }

            Assert.That(Tolerances.RelativeError(gradient, differences), Is.LessThanOrEqualTo(Tolerance), name);
        }
    }
}
