using System.Numerics.Tensors;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>Gradients of every parameter and of the features against central differences of the reference in double
/// precision.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class GradientTests
{
    /// <summary>The relative error of the gradient of a tensor in the L2 norm, and of an element relative to the
    /// largest.</summary>
    private const double Tolerance = 1e-4;

    /// <summary>The absolute error, relative to the largest gradient of the case.</summary>
    private const double Floor = 1e-6;

    /// <summary>Tensors with at most this many elements are compared element by element; of others
    /// <see cref="DirectionCount"/> random directions and the element with the largest gradient.</summary>
    private const int MaxElementCount = 6;

    /// <summary>In cases with at most this many parameters every element is compared.</summary>
    private const int MaxCompleteCount = 500;

    private const int DirectionCount = 3;

    [Test]
    public void Gradients_are_those_of_the_reference([Range(0, TinyCase.Count - 1)] int index)
    {
        TinyCase drawn = new(index);
        ReferenceLoss reference = new(drawn);
        RandomLoss loss = drawn.CreateLoss();
        TrainableModel model = reference.Model.ToTrainable();
        float[] features = Array.ConvertAll(reference.Features, value => (float)value);
        float[] tokens = new float[loss.Count];
        float[] featureGradient = new float[features.Length];
        int threadCount = 1 + (index % 3);
        using ResamplerTrainer trainer = new(model, new TrainerOptions
        {
            ThreadCount = threadCount,
            ProcessorCount = threadCount,
        });
        trainer.Forward(features, drawn.Groups, tokens);
        trainer.Backward(loss.GradientOf(tokens), featureGradient);

        bool isComplete = model.Tensors.Sum(tensor => tensor.Count) <= MaxCompleteCount;
        double largest = model.Tensors.Max(tensor => (double)TensorPrimitives.Norm(tensor.Gradient));
        Random random = new(index);
        using (Assert.EnterMultipleScope())
        {
            foreach (TrainableTensor tensor in model.Tensors)
                Compare(tensor.Name, tensor.Gradient, reference.Model[tensor.Name]);
            Compare("features", featureGradient, reference.Features);
        }

        void Compare(string name, ReadOnlySpan<float> gradient, double[] values)
        {
            double norm = TensorPrimitives.Norm(gradient);
            double peak = Math.Abs(TensorPrimitives.MaxMagnitude(gradient));
            if (isComplete || gradient.Length <= MaxElementCount)
            {
                double squares = 0;
                for (int element = 0; element < gradient.Length; element++)
                {
                    double expected = reference.Derivative(values, Directions.Element(element, gradient.Length));
                    Check($"{name}[{element}]", gradient[element], expected, peak);
                    squares += Math.Pow(gradient[element] - expected, 2);
                }

                Check($"{name}, L2 norm of the error", Math.Sqrt(squares), 0, norm);
                return;
            }

            double mean = 0;
            for (int count = 0; count < DirectionCount; count++)
            {
                sbyte[] direction = Directions.Signs(random, gradient.Length);
                double error = Directions.Along(direction, gradient) - reference.Derivative(values, direction);
                mean += error * error / DirectionCount;
            }

            Check($"{name}, L2 norm of the error", Math.Sqrt(mean), 0, norm);
            int top = TensorPrimitives.IndexOfMaxMagnitude(gradient);
            Check($"{name}[{top}]", gradient[top], reference.Derivative(values,
                Directions.Element(top, gradient.Length)), peak);
        }

        void Check(string name, double actual, double expected, double scale)
            => Assert.That(actual, Is.EqualTo(expected).Within((Tolerance * scale) + (Floor * largest)),
                $"{name} of {drawn}");
    }
}
