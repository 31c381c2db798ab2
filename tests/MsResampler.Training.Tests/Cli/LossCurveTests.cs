using MsResampler.Cli.Training;

namespace MsResampler.Training.Tests.Cli;

/// <summary>The loss in columns, whatever the number of steps.</summary>
internal sealed class LossCurveTests
{
    [Test]
    public void A_column_has_the_smallest_mean_and_largest_loss_of_its_steps([Values(7, 100, 1000)] int stepCount)
    {
        const int ColumnCount = 10;
        LossCurve curve = new(stepCount, ColumnCount);
        Random random = new(stepCount);
        List<(long Step, double Loss)> rows = [];
        for (int step = 1; step <= stepCount; step++)
        {
            rows.Add((step, random.NextDouble()));
            curve.Add(step, rows[^1].Loss);
        }

        for (int column = 0; column < ColumnCount; column++)
        {
            double[] losses = [.. rows.Where(row => Math.Min(row.Step * ColumnCount / stepCount, ColumnCount - 1)
                == column).Select(row => row.Loss)];
            Assert.That(curve.Columns[column].HasValue, Is.EqualTo(losses.Length > 0));
            if (curve.Columns[column] is not { } found)
                continue;
            // Each of n losses below 1 adds three roundings of at most 2⁻⁵³ to a mean below 1.
            Assert.That((found.Low, found.High), Is.EqualTo((losses.Min(), losses.Max())));
            Assert.That(found.Mean, Is.EqualTo(losses.Average()).Within(4 * losses.Length * Math.Pow(2, -53)));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That((curve.FirstStep, curve.LastStep), Is.EqualTo((1, (long)stepCount)));
            Assert.That(curve.Range, Is.EqualTo((rows.Min(row => row.Loss), rows.Max(row => row.Loss))));
            Assert.That(curve.Recent, Is.EqualTo(rows.TakeLast(20).Select(row => row.Loss)));
        }
    }

    [Test]
    public void A_hundred_million_steps_fit()
    {
        LossCurve curve = new(100_000_000, 800);
        curve.Add(99_999_999, 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(curve.Columns[799], Is.EqualTo((0.0, 0.0, 0.0)));
            Assert.That(curve.Range, Is.Null);
        }
    }
}
