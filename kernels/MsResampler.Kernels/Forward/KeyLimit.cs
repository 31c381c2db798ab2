using MsResampler.Model;

namespace MsResampler.Kernels.Forward;

/// <summary>From what magnitude on an element of a key could make a logit overflow. A logit of −∞ would take its patch away
/// without a word, so such keys become NaN instead. Keys of useful models are far below it.</summary>
internal static class KeyLimit
{
    /// <summary>2¹²⁰: logits below it leave room for a bias, and for the rounding of queries.</summary>
    private const double MaxLogit = 1.329227995784916e36;

    /// <summary>The limit of a model: what times the sum of a projected query's magnitudes, which is at most what the
    /// weights allow, makes 2¹²⁰.</summary>
    /// <param name="config">The model.</param>
    /// <param name="weights">Its weights.</param>
    public static float Of(ResamplerConfig config, ResamplerWeights weights)
    {
        // A normalised query is at most √D long, before weight and bias.
        double length = (Math.Sqrt(config.HiddenSize) * Largest(weights.QueryNorm.Weight.ToDouble()))
            + Norm(weights.QueryNorm.Bias.ToDouble());
        if (config.PositionEmbedding.Queries)
        {
            length += weights.PositionTable is { } table
                ? table.ToDouble().Chunk(table.Columns).Max(Norm) : Math.Sqrt(config.HiddenSize);
        }

        double largest = weights.Scopes.Max(scope => QuerySum(scope.QueryProjection, length, config.HeadSize));
        return (float)Math.Min(MaxLogit / largest, double.MaxValue);
    }

    /// <summary>The largest sum of a head's magnitudes, scaled as attention takes it, if normalised queries are of a
    /// length.</summary>
    private static double QuerySum(LinearWeights projection, double length, int headSize)
    {
        double[] bias = projection.Bias?.ToDouble() ?? new double[projection.Weight.Rows];
        double[] rows = [.. projection.Weight.ToDouble().Chunk(projection.Weight.Columns).Select((row, index)
            => (Norm(row) * length) + Math.Abs(bias[index]))];
        return rows.Chunk(headSize).Max(head => head.Sum()) * Base2.Log2E / Math.Sqrt(headSize);
    }

    private static double Largest(double[] values) => values.Max(Math.Abs);

    /// <summary>Does not overflow: elements are float32 in size.</summary>
    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));
}
