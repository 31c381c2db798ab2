namespace MsResampler.Perf.Measuring;

/// <summary>Checks that two implementations give the same result before they are timed.</summary>
internal static class Agreement
{
    /// <summary>Two float32 implementations, each within 3e-6 of exact arithmetic: √2 · 3e-6, rounded up, because
    /// independent errors add in squares.</summary>
    private const double MaxRelativeL2 = 5e-6;

    /// <summary>Returns the relative L2 difference of two float32 results.</summary>
    /// <exception cref="InvalidOperationException">The difference is larger than float32 rounding explains.</exception>
    public static double Check(float[] actual, float[] expected, string name)
    {
        double difference = RelativeL2(actual, expected);
        return difference <= MaxRelativeL2 ? difference : throw new InvalidOperationException(
            $"{name}: expected a relative L2 difference up to {MaxRelativeL2}, found {difference}");
    }

    /// <summary>‖actual − expected‖ / ‖expected‖.</summary>
    public static double RelativeL2(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        double error = 0;
        double norm = 0;
        for (int index = 0; index < actual.Length; index++)
        {
            double difference = actual[index] - expected[index];
            error += difference * difference;
            norm += (double)expected[index] * expected[index];
        }

        return Math.Sqrt(error / norm);
    }
}
