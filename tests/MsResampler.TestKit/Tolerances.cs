namespace MsResampler.TestKit;

/// <summary>Every numerical tolerance of the tests, with its reason.</summary>
internal static class Tolerances
{
    /// <summary>Relative L2 error of a float32 backend against exact arithmetic, per image.</summary>
    /// <remarks>The unit roundoff of float32 is u = 2⁻²⁴ ≈ 6e-8, so this is 50 u. From features to tokens
    /// stand about eight roundings of whole tensors in a row (input projection, ln_kv, key or value projection,
    /// logits, softmax and its product, output projection, gate, ln_post, projection). Each is a sum of up to a
    /// few thousand products, whose relative error stays near 3 u in the L2 norm. Independent errors add in
    /// squares: 3 u·√8 ≈ 9 u. What lies between can amplify: over the random configurations a small relative
    /// change of the features reaches the tokens 1.02 times as large in the median and 2.5 times at
    /// most, so 5 is allowed. Measured on four instruction sets: 2.7e-7 in the median, 1.5e-6 at worst. A wrong
    /// edge, axis, bias or group shows at 1e-3 and above.</remarks>
    public const double SinglePrecision = 3e-6;

    /// <summary>The same where rows that ln_post normalises lie far from zero.</summary>
    /// <remarks>A float32 product is a few u of its own size off, √(1 + r²) deviations where its mean over the
    /// channels is r deviations from 0, and ln_post divides by the deviation. Biases, kv_proj and an only out_proj
    /// have no such mean: it is taken out when they are loaded. out_proj of several scopes keeps it, since the gate
    /// reads it.</remarks>
    /// <param name="offset">r.</param>
    public static double SinglePrecisionAt(double offset) => SinglePrecision * (1 + offset);

    /// <summary>Relative L2 difference between two float32 implementations: each is within
    /// <see cref="SinglePrecision"/> of exact arithmetic, and independent errors add in squares: √2·3e-6, rounded
    /// up.</summary>
    public const double TwoSinglePrecisions = 5e-6;

    /// <summary>Relative L2 error of a double-precision result against exact arithmetic: the same argument
    /// with u = 2⁻⁵³ ≈ 1.1e-16 asks for 50 u ≈ 6e-15; the rest is for the naive sums that tests compare
    /// with.</summary>
    public const double DoublePrecision = 1e-13;

    /// <summary>‖actual − expected‖ / ‖expected‖; 0 when both are 0, infinite where there is a NaN, which would pass
    /// for less than any bound.</summary>
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
