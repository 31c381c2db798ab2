using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>Copies weights of a checkpoint into matrices and vectors.</summary>
internal static class Tensors
{
    public static Matrix<double> Matrix(WeightTensor weight)
        => Matrix<double>.Build.DenseOfRowMajor(weight.Rows, weight.Columns, weight.ToDouble());

    public static Vector<double> Vector(WeightTensor weight) => Vector<double>.Build.Dense(weight.ToDouble());
}
