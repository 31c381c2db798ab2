namespace MsResampler.Kernels.Forward;

/// <summary>The magnitude from which an element of a key could make a logit overflow. A logit of −∞ would silently
/// remove its patch, so the element becomes NaN instead, which is reported. Keys of useful models are far
/// smaller.</summary>
internal static class KeyLimit
{
    /// <summary>2¹²⁰. Logits below it leave room for a bias and for the rounding of queries.</summary>
    private const double MaxLogit = 1.329227995784916e36;

    /// <summary>The limit of a model: 2¹²⁰ divided by the largest sum of magnitudes that a projected query can have
    /// with the model's weights.</summary>
    /// <param name="config">The model.</param>
    /// <param name="weights">Its weights.</param>
    public static float Of(ResamplerConfig config, ResamplerWeights weights)
    {
        // The length of a normalised query is at most √D, before weight and bias.
        double length = (Math.Sqrt(config.HiddenSize) * Largest(weights.QueryNorm.Weight.ToDouble()))
            + Norm(weights.QueryNorm.Bias.ToDouble());
        length += config.PositionEmbedding.Queries switch
        {
            PositionEmbeddingType.Stored => weights.PositionTable!.ToDouble().Chunk(config.HiddenSize).Max(Norm),
            PositionEmbeddingType.SinCos2D => Math.Sqrt(config.HiddenSize),
            _ => 0,
        };

        double largest = weights.Scopes.Max(scope => QuerySum(scope.QueryProjection, length, config.HeadSize));
        return (float)Math.Min(MaxLogit / largest, double.MaxValue);
    }

    /// <summary>The largest sum of magnitudes of a head of a projected query, with the scale of attention, if
    /// normalised queries have at most the given length.</summary>
    private static double QuerySum(LinearWeights projection, double length, int headSize)
    {
        double[] bias = projection.Bias?.ToDouble() ?? new double[projection.Weight.Rows];
        double[] rows = [.. projection.Weight.ToDouble().Chunk(projection.Weight.Columns).Select((row, index)
            => (Norm(row) * length) + Math.Abs(bias[index]))];
        return rows.Chunk(headSize).Max(head => head.Sum()) * Base2.Log2E / Math.Sqrt(headSize);
    }

    private static double Largest(double[] values) => values.Max(Math.Abs);

    /// <summary>Cannot overflow: the elements were float32.</summary>
    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));
}
