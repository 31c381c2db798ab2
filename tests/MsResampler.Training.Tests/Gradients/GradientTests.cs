using System.Numerics.Tensors;
using MsResampler.Cpu;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>Gradients of every parameter and of the features against central differences of the reference in double
/// precision.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class GradientTests
{
    /// <summary>The relative error of the gradient of a tensor in the L2 norm, and of an element relative to the
    /// largest.</summary>
    /// <remarks>About 20 whole tensors are rounded in sequence on the way to the tokens and back, each with an error of
    /// about 3 u in the L2 norm, where u = 6e-8: 3 u·√20 = 8e-7. Two operations amplify: softmax multiplies an error of
    /// its input by logits of up to about 10, and a layer norm of a few channels divides by their deviation, which can
    /// be small by chance. A factor of 60 is allowed. Measured on four instruction sets: below 5e-6 in 226 of 240 cases
    /// and 1.4e-5 at worst. A mistake in a formula causes errors of 1e-2 and above.</remarks>
    private const double Tolerance = 5e-5;

    /// <summary>The absolute error, relative to the norm of the case's largest gradient. Gradients of queries and keys
    /// are differences of terms of the size of the gradients of values; with one key they are 0. Their error is a few u
    /// of these terms.</summary>
    private const double Floor = 5e-7;

    /// <summary>Tensors with at most this many elements are compared element by element; of others
    /// <see cref="DirectionCount"/> random directions and the element with the largest gradient.</summary>
    private const int MaxElementCount = 6;

    /// <summary>In cases with at most this many parameters every element is compared.</summary>
    public const int MaxCompleteCount = 500;

    private const int DirectionCount = 3;

    private static readonly CpuVariant[] s_variants = [.. CpuVariant.All.Where(variant => variant.IsSupported)];

    /// <summary>Images in which keys and values can be absorbed. Trainers absorb them where that takes less
    /// time.</summary>
    private static IEnumerable<int> AbsorbingCases => Enumerable.Range(0, TinyCase.FirstGroupCase)
        .Where(index => TinyCase.CanAbsorb(new TinyCase(index).Config));

    [Test]
    public void Gradients_are_those_of_the_reference([Range(0, TinyCase.Count - 1)] int index)
        => Compare(index, absorbs: false);

    [TestCaseSource(nameof(AbsorbingCases))]
    public void Gradients_with_absorbed_scopes_are_those_of_the_reference(int index) => Compare(index, absorbs: true);

    /// <summary>Cases alternate between the instruction sets of the machine and between one, two and three
    /// threads.</summary>
    private static void Compare(int index, bool absorbs)
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
            Variant = s_variants[index % s_variants.Length],
            Absorbs = absorbs,
        });
        trainer.Forward(features, drawn.Groups, tokens);
        trainer.Backward(loss.GradientOf(tokens), featureGradient);

        bool isComplete = model.Tensors.Sum(tensor => tensor.Count) <= MaxCompleteCount;
        double largest = model.Tensors.Max(tensor => (double)TensorPrimitives.Norm(tensor.Gradient));
        Random random = new(index);
        using (Assert.EnterMultipleScope())
        {
            foreach (TrainableTensor tensor in model.Tensors)
                CompareTensor(tensor.Name, tensor.Gradient, reference.Model[tensor.Name]);
            CompareTensor("features", featureGradient, reference.Features);
        }

        void CompareTensor(string name, ReadOnlySpan<float> gradient, double[] values)
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
