using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>Layer normalisation of each row: <c>(x − mean)/√(variance + ε)·weight + bias</c>, with the biased
/// variance.</summary>
internal sealed record LayerNorm(Vector<double> Weight, Vector<double> Bias, double Epsilon)
{
    public static LayerNorm Load(NormWeights weights, double epsilon)
        => new(Tensors.Vector(weights.Weight), Tensors.Vector(weights.Bias), epsilon);

    public Matrix<double> Apply(Matrix<double> x)
    {
        Matrix<double> result = x.Clone();
        for (int row = 0; row < x.RowCount; row++)
        {
            Vector<double> centred = x.Row(row) - (x.Row(row).Sum() / x.ColumnCount);
            double variance = centred.DotProduct(centred) / x.ColumnCount;
            result.SetRow(row, (centred / Math.Sqrt(variance + Epsilon)).PointwiseMultiply(Weight) + Bias);
        }
        return result;
    }
}
