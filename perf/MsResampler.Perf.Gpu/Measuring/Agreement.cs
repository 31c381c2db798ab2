namespace MsResampler.Perf.Measuring;

/// <summary>What is timed must give the same.</summary>
internal static class Agreement
{
    /// <summary>Two float32 implementations: each within 3e-6 of exact arithmetic, errors add in squares.</summary>
    private const double MaxRelativeL2 = 5e-6;

    /// <summary>The relative L2 difference.</summary>
    /// <exception cref="InvalidOperationException">It is larger than float32 explains.</exception>
    public static double Check(float[] actual, float[] expected, string name)
    {
        double difference = RelativeL2(actual, expected);
        return difference <= MaxRelativeL2 ? difference : throw new InvalidOperationException(
            $"{name}: expected results within {MaxRelativeL2} of each other, found {difference}");
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
