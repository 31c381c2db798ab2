using System.Numerics.Tensors;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>Training steps against steps in double precision: gradients as central differences of the reference, and
/// AdamW written here from its definition.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class HandComputedStepTests
{
    private const int StepCount = 3;
    private const double Rate = 1e-2;
    private const double Beta1 = 0.9;
    private const double Beta2 = 0.98;
    private const double Decay = 0.1;

    /// <summary>Large against the rounding errors of gradients: with a small ε, AdamW makes a step of full length from
    /// the sign of such an error where the gradient is 0.</summary>
    private const double Epsilon = 1e-2;

    /// <summary>The root of the mean squared error of a tensor. A step Rate·m/(√v + ε) changes by at most
    /// Rate·error/ε = error, and the errors of gradients in single precision are about 1e-6.</summary>
    private const double WeightTolerance = 1e-5;

    // Cases with at most 450 parameters; images, groups, several scopes, learned sigmas.
    [Test]
    public void Three_steps_are_those_of_a_calculation_by_hand([Values(40, 12, 150)] int index)
    {
        TinyCase drawn = new(index);
        ReferenceLoss reference = new(drawn);
        RandomLoss loss = drawn.CreateLoss();
        float[] features = Array.ConvertAll(reference.Features, value => (float)value);
        TrainableModel model = reference.Model.ToTrainable();
        using ResamplerTrainer trainer = new(model);
        AdamW optimiser = new(model.Tensors, new AdamWOptions
        {
            FirstMomentDecay = Beta1,
            SecondMomentDecay = Beta2,
            Epsilon = Epsilon,
            WeightDecay = Decay,
        });
        Dictionary<string, (double[] First, double[] Second)> moments = model.Tensors.ToDictionary(
            tensor => tensor.Name, tensor => (new double[tensor.Count], new double[tensor.Count]));
        float[] tokens = new float[loss.Count];
        for (int step = 1; step <= StepCount; step++)
        {
            double expectedLoss = loss.ValueOf(reference.Tokens());
            StepByHand(reference, moments, step);

            model.ClearGradients();
            trainer.Forward(features, drawn.Groups, tokens);
            trainer.Backward(loss.GradientOf(tokens));
            optimiser.Step(Rate);

            using (Assert.EnterMultipleScope())
            {
                Assert.That(loss.ValueOf(Array.ConvertAll(tokens, value => (double)value)),
                    Is.EqualTo(expectedLoss).Within(1e-5 * loss.Count), $"loss of step {step}, {drawn}");
                foreach (TrainableTensor tensor in model.Tensors)
                {
                    double[] actual = Array.ConvertAll(tensor.Values.ToArray(), value => (double)value);
                    double distance = TensorPrimitives.Distance<double>(actual, reference.Model[tensor.Name]);
                    Assert.That(distance / Math.Sqrt(tensor.Count), Is.LessThan(WeightTolerance),
                        $"{tensor.Name} after step {step}, {drawn}");
                }
            }
        }
    }

    /// <summary>Changes the reference's parameters, all from the gradient at their present values.</summary>
    private static void StepByHand(ReferenceLoss reference,
        Dictionary<string, (double[] First, double[] Second)> moments, int step)
    {
        Dictionary<string, double[]> gradients = moments.ToDictionary(pair => pair.Key, pair => Enumerable
            .Range(0, pair.Value.First.Length).Select(element => reference.Derivative(reference.Model[pair.Key],
                Directions.Element(element, pair.Value.First.Length))).ToArray());
        foreach ((string name, double[] gradient) in gradients)
        {
            double[] weights = reference.Model[name];
            (double[] first, double[] second) = moments[name];
            // The matrices of linear layers decay; biases, norms, queries, positions and sigmas do not.
            bool hasDecay = name.EndsWith("proj.weight", StringComparison.Ordinal)
                || name is "gate.fc1.weight" or "gate.fc2.weight";
            for (int element = 0; element < weights.Length; element++)
            {
                double g = gradient[element];
                first[element] = (Beta1 * first[element]) + ((1 - Beta1) * g);
                second[element] = (Beta2 * second[element]) + ((1 - Beta2) * g * g);
                double mean = first[element] / (1 - Math.Pow(Beta1, step));
                double square = second[element] / (1 - Math.Pow(Beta2, step));
                weights[element] -= Rate * (mean / (Math.Sqrt(square) + Epsilon)
                    + (hasDecay ? Decay * weights[element] : 0));
            }
        }
    }
}
