using MathNet.Numerics.LinearAlgebra;

namespace MsResampler.Reference;

/// <summary>Softmax of logits. At least one logit must be finite, others may be −∞.</summary>
internal static class Softmax
{
    public static Vector<double> Of(Vector<double> logits)
    {
        double max = logits.Maximum();
        Vector<double> weights = logits.Map(logit => Math.Exp(logit - max));
        return weights / weights.Sum();
    }

    public static Matrix<double> OfRows(Matrix<double> logits)
    {
        Matrix<double> weights = logits.Clone();
        for (int row = 0; row < logits.RowCount; row++)
            weights.SetRow(row, Of(logits.Row(row)));
        return weights;
    }
}
