using MathNet.Numerics;
using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>The fusion gate (step 6): softmax over the scopes of linear(gelu(linear(U, fc1)), fc2).</summary>
/// <param name="Hidden">fc1.</param>
/// <param name="Output">fc2.</param>
/// <param name="GroupCount">R.</param>
internal sealed record Gate(Linear Hidden, Linear Output, int GroupCount)
{
    public static Gate Load(GateWeights weights, int groupCount)
        => new(Linear.Load(weights.Hidden), Linear.Load(weights.Output), groupCount);

    /// <summary>The gate weights, [M, S·R], for the branch outputs O_s, each [M, D]. Column s·R + r is scope s,
    /// group r.</summary>
    public Matrix<double> Weights(IReadOnlyList<Matrix<double>> outputs)
    {
        Matrix<double> united = outputs.Aggregate((left, right) => left.Append(right));
        Matrix<double> weights = Output.Apply(Hidden.Apply(united).Map(Gelu));
        for (int query = 0; query < weights.RowCount; query++)
        {
            for (int group = 0; group < GroupCount; group++)
            {
                Vector<double> logits = Vector<double>.Build.Dense(outputs.Count,
                    scope => weights[query, (scope * GroupCount) + group]);
                Vector<double> gates = Softmax.Of(logits);
                for (int scope = 0; scope < outputs.Count; scope++)
                    weights[query, (scope * GroupCount) + group] = gates[scope];
            }
        }
        return weights;
    }

    /// <summary>F = Σ_s gate_s ⊙ O_s, where the weight of group r applies to channels [r·D/R, (r+1)·D/R).</summary>
    public Matrix<double> Fuse(Matrix<double> weights, IReadOnlyList<Matrix<double>> outputs)
    {
        int groupWidth = outputs[0].ColumnCount / GroupCount;
        return Matrix<double>.Build.Dense(outputs[0].RowCount, outputs[0].ColumnCount, (query, channel) =>
        {
            int group = channel / groupWidth;
            return Enumerable.Range(0, outputs.Count).Sum(scope =>
                weights[query, (scope * GroupCount) + group] * outputs[scope][query, channel]);
        });
    }

    /// <summary>The exact GELU, x·Φ(x).</summary>
    public static double Gelu(double x) => 0.5 * x * (1 + SpecialFunctions.Erf(x / Constants.Sqrt2));
}
