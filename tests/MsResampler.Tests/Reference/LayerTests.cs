using MathNet.Numerics.LinearAlgebra;
using MsResampler.Reference;

namespace MsResampler.Tests.Reference;

public class LayerTests
{
    [TestCase(0, 0)]
    [TestCase(1, 0.841344746068542949)]
    [TestCase(-1, -0.158655253931457051)]
    [TestCase(3, 2.9959503059051098)]
    public void Gelu_is_exact(double x, double expected)
        => Assert.That(Gate.Gelu(x), Is.EqualTo(expected).Within(1e-14));

    [Test]
    public void Layer_norm_divides_by_the_population_deviation()
    {
        // (2, 4, 6, 8) has mean 5 and variance 5; with ε = 4 the divisor is 3.
        LayerNorm norm = new(Weight: Vector<double>.Build.Dense([1, 2, 3, 4]),
            Bias: Vector<double>.Build.Dense([0, 0, 1, -1]), Epsilon: 4);

        Matrix<double> result = norm.Apply(Matrix<double>.Build.DenseOfRowArrays([[2, 4, 6, 8]]));

        Assert.That(result.Row(0), Is.EqualTo(new[] { -1.0, -2.0 / 3, 2, 3 }).Within(1e-15));
    }

    [Test]
    public void A_linear_layer_multiplies_by_the_transpose()
    {
        Linear linear = new(Matrix<double>.Build.DenseOfRowArrays([[1, 2], [3, 4], [5, 6]]),
            Vector<double>.Build.Dense([10, 20, 30]));

        Matrix<double> result = linear.Apply(Matrix<double>.Build.DenseOfRowArrays([[1, -1], [0, 2]]));

        Assert.That(result.ToRowArrays(), Is.EqualTo(new double[][] { [9, 19, 29], [14, 28, 42] }));
    }

    [Test]
    public void Softmax_accepts_logits_of_any_size_and_masked_ones()
    {
        double[] logits = [1e6, double.NegativeInfinity, 1e6 - Math.Log(3)];

        Assert.That(Softmax.Of(Vector<double>.Build.Dense(logits)),
            Is.EqualTo(new[] { 0.75, 0, 0.25 }).Within(1e-9));
    }
}
