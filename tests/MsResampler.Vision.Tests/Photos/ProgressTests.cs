using MsResampler.Cli.Display;

namespace MsResampler.Vision.Tests.Photos;

public sealed class ProgressTests
{
    [TestCase(0, 0, 2_000, 1, "", "photos [--------------------] 0 of 2,000")]
    [TestCase(0, 1_234, 2_000, 22, "", "photos [############--------] 1,234 of 2,000, 56.1/s, 14 s left")]
    [TestCase(0, 2_000, 2_000, 40, "3 bad", "photos [####################] 2,000 of 2,000, 50.0/s, 3 bad")]
    // The rate is that of this run: 100 in 50 s, and 900 remain.
    [TestCase(1_000, 1_100, 2_000, 50, "", "photos [###########---------] 1,100 of 2,000, 2.00/s, 8 min left")]
    [TestCase(0, 10, 1_000_000, 1, "", "photos [--------------------] 10 of 1,000,000, 10.0/s, 27 h 47 min left")]
    [TestCase(5, 5, 5, 0, "", "photos [####################] 5 of 5")]
    public void The_text_has_the_rate_and_the_time_left(int first, int done, int count, int seconds, string note,
        string expected)
    {
        TimeSpan time = TimeSpan.FromSeconds(seconds);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Progress.Text("photos", first, done, count, maxBarLength: expected.Length, time, note),
                Is.EqualTo(expected));
            Assert.That(Progress.Text("photos", first, done, count, maxBarLength: expected.Length - 1, time, note),
                Is.EqualTo("photos:" + expected[(expected.IndexOf(']', StringComparison.Ordinal) + 1)..]));
        }
    }
}
