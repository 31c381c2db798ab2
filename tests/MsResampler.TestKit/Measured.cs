namespace MsResampler.TestKit;

/// <summary>Measurements of time and allocated memory that other work, of the runtime and of the machine, can only
/// increase. Their smallest value counts: on a busy machine a test fails only if the code itself exceeds the
/// limit.</summary>
internal static class Measured
{
    private const int MaxAttemptCount = 20;

    /// <summary>Measures until a value is below the limit, with pauses of up to a second.</summary>
    public static void AssertBelow(double limit, string unit, Func<double> measure)
    {
        List<double> values = [];
        do
        {
            Thread.Sleep(50 * values.Count);
            values.Add(measure());
        }
        while (values[^1] >= limit && values.Count < MaxAttemptCount);
        string all = $"measured in {unit}: {string.Join(", ", values.Select(value => $"{value:G4}"))}";
        TestContext.Out.WriteLine(all);
        Assert.That(values[^1], Is.LessThan(limit), all);
    }
}
