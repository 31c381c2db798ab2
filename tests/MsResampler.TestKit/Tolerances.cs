namespace MsResampler.TestKit;

/// <summary>All numerical tolerances of the tests, with their derivations.</summary>
internal static class Tolerances
{
    /// <summary>The relative L2 error of a float32 backend against exact arithmetic, per image.</summary>
    /// <remarks>The unit roundoff of float32 is u = 2⁻²⁴ ≈ 6e-8, so this is 50 u. Between features and tokens about
    /// eight whole tensors are rounded in sequence (input projection, ln_kv, key or value projection, logits, softmax
    /// and its product, output projection, gate, ln_post, projection). Each is a sum of up to a few thousand
    /// products, whose relative error stays near 3 u in the L2 norm. Independent errors add in squares: 3 u·√8 ≈ 9 u.
    /// The operations in between can amplify: over the random configurations, a small relative change of the features
    /// changes the tokens 1.02 times as much in the median and 2.5 times at most, so a factor of 5 is allowed.
    /// Measured on four instruction sets: 2.7e-7 in the median, 1.5e-6 at worst. A wrong edge, axis, bias or group
    /// causes errors of 1e-3 and above.</remarks>
    public const double SinglePrecision = 3e-6;

    /// <summary>The same where the rows that ln_post normalises are far from zero.</summary>
    /// <remarks>The error of a float32 product is a few u of its own size, which is √(1 + r²) standard deviations if
    /// its mean over the channels is r deviations away from 0; ln_post divides by the deviation. Biases, kv_proj and
    /// the out_proj of a single scope have no such mean, because it is removed when they are loaded. The out_proj of
    /// several scopes keeps it, because the gate reads its result.</remarks>
    /// <param name="offset">The distance r.</param>
    public static double SinglePrecisionAt(double offset) => SinglePrecision * (1 + offset);

    /// <summary>The relative L2 difference between two float32 implementations. Each is within
    /// <see cref="SinglePrecision"/> of exact arithmetic, and independent errors add in squares: √2·3e-6, rounded
    /// up.</summary>
    public const double TwoSinglePrecisions = 5e-6;

    /// <summary>The relative L2 error of a double-precision result against exact arithmetic. The same derivation with
    /// u = 2⁻⁵³ ≈ 1.1e-16 gives 50 u ≈ 6e-15; the rest allows for the naive sums of the tests.</summary>
    public const double DoublePrecision = 1e-13;

    /// <summary>The error of a float32 gradient of attention against exact arithmetic, relative to the L2 norm of the
    /// sums of the magnitudes that it adds up.</summary>
    /// <remarks>Relative to the terms, the error does not depend on how far they cancel; where a query sees one
    /// patch, they cancel to 0. A term is a product of a weight, a difference of two dot products, and a factor: 3 u
    /// each, as in <see cref="SinglePrecision"/>, and 6 u for sums and scaling: 16 u. A logit x has the error 3 u·x,
    /// which is the relative error of its weight.</remarks>
    /// <param name="largestLogit">The largest magnitude of a logit.</param>
    public static double AttentionGradient(double largestLogit) => (16 + (3 * largestLogit)) / (1 << 24);

    /// <summary>‖actual − expected‖ / ‖expected‖; 0 if both are 0. If a value is NaN, the result is infinite, because
    /// NaN would pass every upper bound.</summary>
    public static double RelativeError(ReadOnlySpan<double> actual, ReadOnlySpan<double> expected)
    {
        if (actual.Length != expected.Length)
            return double.PositiveInfinity;
        double error = 0;
        double norm = 0;
        for (int index = 0; index < actual.Length; index++)
        {
            double difference = actual[index] - expected[index];
            error += difference * difference;
            norm += expected[index] * expected[index];
        }
        double relative = error == 0 ? 0 : Math.Sqrt(error / norm);
        return double.IsNaN(relative) ? double.PositiveInfinity : relative;
    }

    /// <inheritdoc cref="RelativeError(ReadOnlySpan{double}, ReadOnlySpan{double})"/>
    public static double RelativeError(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        double[] widened = new double[actual.Length];
        for (int index = 0; index < widened.Length; index++)
            widened[index] = actual[index];
        return RelativeError(widened, expected);
    }
}
