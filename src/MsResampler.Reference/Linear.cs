using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary><c>linear(X, W, b) = X·Wᵀ + b</c>.</summary>
/// <param name="Weight">W, [out, in].</param>
/// <param name="Bias">b, [out], or null.</param>
internal sealed record Linear(Matrix<double> Weight, Vector<double>? Bias)
{
    public static Linear Load(LinearWeights weights) => new(
        Tensors.Matrix(weights.Weight), weights.Bias is null ? null : Tensors.Vector(weights.Bias));

    public Matrix<double> Apply(Matrix<double> x)
    {
        Matrix<double> result = x.TransposeAndMultiply(Weight);
        if (Bias is not null)
            result.MapIndexedInplace((_, column, value) => value + Bias[column]);
        return result;
    }
}
