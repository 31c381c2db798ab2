using MsResampler.Claim.Statistics;
using MsResampler.Scenes;

namespace MsResampler.Training.Tests.Claim;

/// <summary>Confidence intervals.</summary>
internal sealed class BootstrapTests
{
    // The mean of resampled coin flips is binomial: of 100 values, half of them 1, its quantiles 2.5 % and 97.5 % are
    // 40 and 60 of 100. With 10,000 samples an order statistic is off by at most one.
    [Test]
    public void The_interval_of_coin_flips_is_that_of_the_binomial_distribution()
    {
        double[] values = [.. Enumerable.Range(0, 100).Select(index => (double)(index % 2))];
        Interval interval = Bootstrap.OfMean(values);
        Assert.That(interval.Mean, Is.EqualTo(0.5));
        Assert.That(interval.Low, Is.EqualTo(0.40).Within(0.0101));
        Assert.That(interval.High, Is.EqualTo(0.60).Within(0.0101));
    }

    [Test]
    public void Equal_values_have_an_interval_without_width()
    {
        Interval interval = Bootstrap.OfMean([0.25, 0.25, 0.25]);
        Assert.That((interval.Low, interval.High), Is.EqualTo((0.25, 0.25)));
        Assert.That(interval.ExcludesZero);
    }

    [Test]
    public void The_same_values_give_the_same_interval()
    {
        Interval first = Bootstrap.OfMean([1, 2, 4, 8]);
        Assert.That(Bootstrap.OfMean([1, 2, 4, 8]), Is.EqualTo(first));
    }

    // 1, 2, 3, 4: mean 2.5, standard error √(5/3/4) = 0.6455, t(3 degrees) = 3.182.
    [Test]
    public void Students_interval_agrees_with_a_computation_by_hand()
    {
        Interval interval = Bootstrap.StudentOfMean([1, 2, 3, 4]);
        Assert.That(interval.Low, Is.EqualTo(2.5 - 2.0540).Within(1e-3));
        Assert.That(interval.High, Is.EqualTo(2.5 + 2.0540).Within(1e-3));
        Assert.That(Bootstrap.StudentOfMean([1]).ExcludesZero, Is.False);
    }

    // Intervals of 400 experiments with 8 normal values: Student's covers the true mean in 95 % of them, the bootstrap
    // in about 89 %. Bounds at four standard deviations of a binomial count.
    [Test]
    public void Intervals_cover_the_true_mean_as_often_as_they_say()
    {
        const int Experiments = 400;
        int student = 0;
        int bootstrap = 0;
        SceneRandom random = new(3, 0, 0);
        for (int experiment = 0; experiment < Experiments; experiment++)
        {
            double[] values = new double[8];
            foreach (ref double value in values.AsSpan())
                value = random.Normal();
            Interval exact = Bootstrap.StudentOfMean(values);
            Interval resampled = Bootstrap.OfMean(values);
            student += exact.Low <= 0 && exact.High >= 0 ? 1 : 0;
            bootstrap += resampled.Low <= 0 && resampled.High >= 0 ? 1 : 0;
        }

        Assert.That(student / (double)Experiments, Is.EqualTo(0.95).Within(0.044));
        Assert.That(bootstrap / (double)Experiments, Is.EqualTo(0.89).Within(0.063));
    }
}
