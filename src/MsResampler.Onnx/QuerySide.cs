using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>What a scope computes without looking at the image, in double precision.</summary>
internal static class QuerySide
{
    /// <summary>Queries as the logits need them: normalised, at their anchors, projected, divided by √d, and
    /// laid out [A, M, d].</summary>
    public static float[] Queries(ResamplerConfig config, ResamplerWeights weights, int scope, PatchGrid grid)
    {
        ScopeWeights scopeWeights = weights.Scopes[scope];
        int width = config.HiddenSize;
        int count = config.QueryGrid.QueryCount;
        double[] queries = scopeWeights.Queries.ToDouble();
        Normalise(queries, weights.QueryNorm, config.LayerNormEpsilon);
        if (config.PositionEmbedding.Queries)
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

    /// <summary>The bias of a branch's output. Attention weights sum to 1, so the bias of the values passes
    /// through them whole: out_proj(bv) + bo.</summary>
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

    /// <summary>What a scope adds to its logits, [heads, M, N]. Heads is 1 unless each has its own sigma.</summary>
    /// <remarks>Finite throughout: converters to float16 and quantisers make NaN of −∞. Outside the window the lowest
    /// value takes a patch's weight as −∞ would, because the nearest patch of a query has 0; no query is without one.
    /// Rows and columns are summed before the sum is limited, so that nothing overflows here, and a logit that is added
    /// to the lowest value is lost in it.</remarks>
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
