namespace MsResampler.Training.Tests.Optimisation;

/// <summary>The learning rate of every step.</summary>
internal sealed class CosineScheduleTests
{
    // Computed from the formula by a program in another language, rounded to 9 decimals.
    private static readonly double[] s_expected =
    [
        0.5, 1.0, 1.5, 2.0, 2.0, 1.942909649, 1.780330086, 1.537012574, 1.25, 0.962987426, 0.719669914, 0.557090351,
    ];

    [Test]
    public void Rates_rise_linearly_and_fall_along_a_cosine()
    {
        CosineSchedule schedule = new(peak: 2, warmupSteps: 4, totalSteps: 12, floor: 0.5);
        Assert.That(Enumerable.Range(1, 12).Select(step => schedule.RateAt(step)),
            Is.EqualTo(s_expected).Within(0.5e-9));
        Assert.That(schedule.RateAt(1000), Is.EqualTo(0.5));
    }

    [Test]
    public void Without_a_warm_up_the_first_step_has_the_peak()
        => Assert.That(new CosineSchedule(peak: 3, warmupSteps: 0, totalSteps: 1).RateAt(1), Is.EqualTo(3));

    [TestCase(0.0, 0, 1, 0.0, "peak")]
    [TestCase(double.NaN, 0, 1, 0.0, "peak")]
    [TestCase(1.0, 5, 5, 0.0, "warm-up")]
    [TestCase(1.0, -1, 5, 0.0, "warm-up")]
    [TestCase(1.0, 0, 0, 0.0, "total steps")]
    [TestCase(1.0, 0, 1, 2.0, "floor")]
    public void A_number_out_of_range_is_named(double peak, int warmup, int total, double floor, string name)
        => Assert.That(() => new CosineSchedule(peak, warmup, total, floor),
            Throws.ArgumentException.With.Message.StartsWith($"{name}: expected "));
}
