using System.Diagnostics;

namespace MsResampler.TestKit;

/// <summary>Compares times and allocated memory with limits. Other work of the runtime and of the machine increases
/// such a measurement. So it is repeated, and a test fails only if every value exceeds the limit.</summary>
internal static class Measured
{
    private const int MaxCount = 20;
    private static readonly TimeSpan s_maxTime = TimeSpan.FromMinutes(1);

    /// <summary>Measures until a value is below the limit, at most 20 times within about a minute, with growing
    /// pauses.</summary>
    public static void AssertBelow(double limit, string unit, Func<double> measure)
    {
        List<double> values = [];
        Stopwatch time = Stopwatch.StartNew();
        do
        {
            Thread.Sleep(50 * values.Count);
            values.Add(measure());
        }
        while (values[^1] >= limit && values.Count < MaxCount && time.Elapsed < s_maxTime);
        string all = $"measured in {unit}: {string.Join(", ", values.Select(value => $"{value:G4}"))}";
        TestContext.Out.WriteLine(all);
        Assert.That(values[^1], Is.LessThan(limit), all);
    }
}
