using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>The part of a scope's computation that does not depend on the features, in double precision.</summary>
internal static class QuerySide
{
    /// <summary>Queries in the form that the logits need: normalised, with positions, projected, divided by √d, and
    /// in the layout [A, M, d].</summary>
    public static float[] Queries(ResamplerConfig config, ResamplerWeights weights, int scope, PatchGrid grid)
    {
        ScopeWeights scopeWeights = weights.Scopes[scope];
        int width = config.HiddenSize;
        int count = config.QueryGrid.QueryCount;
        double[] queries = scopeWeights.Queries.ToDouble();
        Normalise(queries, weights.QueryNorm, config.LayerNormEpsilon);
        if (config.PositionEmbedding.Queries != PositionEmbeddingType.None)
            TensorPrimitives.Add(queries, Positions.OfQueries(config, weights, grid), queries);

        double[] projection = scopeWeights.QueryProjection.Weight.ToDouble();
        double[]? bias = scopeWeights.QueryProjection.Bias?.ToDouble();
        double scale = 1 / Math.Sqrt(config.HeadSize);
        float[] result = new float[queries.Length];
        Parallel.For(0, count, query =>
        {
            ReadOnlySpan<double> row = queries.AsSpan(query * width, width);
            for (int channel = 0; channel < width; channel++)
            {
                (int head, int k) = Math.DivRem(channel, config.HeadSize);
                double value = TensorPrimitives.Dot(row, projection.AsSpan(channel * width, width))
                    + (bias?[channel] ?? 0);
                result[(((head * count) + query) * config.HeadSize) + k] = (float)(value * scale);
            }
        });
        return result;
    }

    /// <summary>The bias of a branch output, Wo·bv + bo. Attention weights add up to 1, so attention adds the whole
    /// bias of the values.</summary>
    public static double[] OutputBias(ScopeWeights weights)
    {
        double[] output = weights.OutputProjection.Weight.ToDouble();
        double[]? values = weights.ValueProjection.Bias?.ToDouble();
        double[]? bias = weights.OutputProjection.Bias?.ToDouble();
        int width = weights.OutputProjection.Weight.Columns;
        double[] result = new double[weights.OutputProjection.Weight.Rows];
        for (int channel = 0; channel < result.Length; channel++)
            result[channel] = (bias?[channel] ?? 0) + (values is null ? 0
                : TensorPrimitives.Dot<double>(output.AsSpan(channel * width, width), values));
        return result;
    }

    /// <summary>The bias that a scope adds to its logits, [heads, M, N]. There is one head unless sigma is learned
    /// per head.</summary>
    /// <remarks>All values are finite, because converters to float16 and quantisers turn −∞ into NaN. Outside the
    /// window the bias is the lowest float32 value, which gives a weight of 0 like −∞, because the bias of the
    /// nearest visible patch of every query is 0. The row part and the column part are added in double precision
    /// before the limit is applied, so the sum does not overflow. The lowest value plus an ordinary logit rounds to
    /// the lowest value.</remarks>
    public static float[] Prior(ResamplerConfig config, int scopeIndex, WeightTensor? logSigma,
        PatchGrid grid)
    {
        ScopeConfig scope = config.Scopes[scopeIndex];
        QueryGrid queries = config.QueryGrid;
        ScopeBias bias = new(scope, ScopeWindows.Resolve(scope, queries, grid), queries, logSigma?.ToDouble());
        int headCount = bias.IsPerHead ? config.AttentionHeadCount : 1;
        float[] prior = new float[checked(headCount * queries.QueryCount * (int)grid.PatchCount)];
        double[] columns = new double[grid.Columns];
        int index = 0;
        for (int head = 0; head < headCount; head++)
        {
            for (int query = 0; query < queries.QueryCount; query++)
            {
                (int queryRow, int queryColumn) = Math.DivRem(query, queries.Columns);
                for (int j = 0; j < grid.Columns; j++)
                    columns[j] = bias.Column(queryColumn, head, j);
                for (int i = 0; i < grid.Rows; i++)
                {
                    // Biases are in base 2, the softmax of the graph is in base e.
                    double row = bias.Row(queryRow, head, i);
                    for (int j = 0; j < grid.Columns; j++)
                        prior[index++] = (float)Math.Max((row + columns[j]) * Base2.Ln2, float.MinValue);
                }
            }
        }

        return prior;
    }

    private static void Normalise(double[] rows, NormWeights norm, double epsilon)
    {
        double[] weight = norm.Weight.ToDouble();
        double[] bias = norm.Bias.ToDouble();
        for (int first = 0; first < rows.Length; first += weight.Length)
        {
            Span<double> row = rows.AsSpan(first, weight.Length);
            TensorPrimitives.Subtract(row, TensorPrimitives.Sum<double>(row) / row.Length, row);
            double scale = 1 / Math.Sqrt((TensorPrimitives.SumOfSquares<double>(row) / row.Length) + epsilon);
            TensorPrimitives.Multiply(row, scale, row);
            TensorPrimitives.MultiplyAdd<double>(row, weight, bias, row);
        }
    }
}
