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
    public static float[] OutputBias(ScopeWeights weights)
    {
        double[] output = weights.OutputProjection.Weight.ToDouble();
        double[]? values = weights.ValueProjection.Bias?.ToDouble();
        double[]? bias = weights.OutputProjection.Bias?.ToDouble();
        int width = weights.OutputProjection.Weight.Columns;
        float[] result = new float[weights.OutputProjection.Weight.Rows];
        for (int channel = 0; channel < result.Length; channel++)
            result[channel] = (float)((bias?[channel] ?? 0) + (values is null ? 0
                : TensorPrimitives.Dot<double>(output.AsSpan(channel * width, width), values)));
        return result;
    }

    /// <summary>What a scope adds to its logits, [heads, M, N]: −∞ outside the window, and the Gaussian
    /// prior. Heads is 1 unless each has its own sigma.</summary>
    /// <remarks>A constant per row drops out of the softmax, so each row is shifted to a maximum of 0: a
    /// narrow sigma then leaves finite values in single precision. The scope's rectangle makes that maximum
    /// the product of two axes.</remarks>
    public static float[] Prior(ResamplerConfig config, int scopeIndex, WeightTensor? logSigma,
        PatchGrid grid)
    {
        ScopeConfig scope = config.Scopes[scopeIndex];
        ScopeWindows windows = ScopeWindows.Resolve(scope, config.QueryGrid, grid);
        double[]? learned = logSigma?.ToDouble();
        int headCount = learned is null ? 1 : config.AttentionHeadCount;
        float[] prior = new float[checked(headCount * config.QueryGrid.QueryCount * (int)grid.PatchCount)];
        Span<float> row = prior;
        for (int head = 0; head < headCount; head++)
        {
            for (int queryRow = 0; queryRow < config.QueryGrid.Rows; queryRow++)
            {
                double[] rows = Axis(windows.Rows[queryRow], queryRow, config.QueryGrid.Rows, grid.Rows,
                    Sigma(scope, scope.Sigma?.Rows, learned, head, axis: 0, grid.Rows));
                for (int queryColumn = 0; queryColumn < config.QueryGrid.Columns; queryColumn++)
                {
                    double[] columns = Axis(windows.Columns[queryColumn], queryColumn,
                        config.QueryGrid.Columns, grid.Columns,
                        Sigma(scope, scope.Sigma?.Columns, learned, head, axis: 1, grid.Columns));
                    for (int i = 0; i < grid.Rows; i++)
                        for (int j = 0; j < grid.Columns; j++)
                            row[(i * grid.Columns) + j] = (float)(rows[i] + columns[j]);
                    row = row[(int)grid.PatchCount..];
                }
            }
        }

        return prior;
    }

    private static double Sigma(ScopeConfig scope, double? configured, double[]? learned, int head, int axis,
        int patchCount)
    {
        if (scope.Prior != ScopePrior.Gaussian)
            return double.PositiveInfinity;
        double sigma = learned is null ? configured!.Value : Math.Exp(learned[(head * 2) + axis]);
        return scope.Units == ScopeUnits.Fraction ? sigma * patchCount : sigma;
    }

    private static double[] Axis(AxisRange window, int query, int queryCount, int patchCount, double sigma)
    {
        double anchor = ScopeGeometry.Anchor(query, queryCount, patchCount);
        double[] prior = new double[patchCount];
        Array.Fill(prior, double.NegativeInfinity);
        for (int patch = window.Start; patch < window.End; patch++)
            prior[patch] = -Math.Pow((patch - anchor) / sigma, 2) / 2;
        double best = prior.Max();
        for (int patch = window.Start; patch < window.End; patch++)
            prior[patch] = prior[patch] == best ? 0 : prior[patch] - best;
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
