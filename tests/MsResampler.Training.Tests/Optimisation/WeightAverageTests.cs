namespace MsResampler.Training.Tests.Optimisation;

/// <summary>The moving average of weights.</summary>
internal sealed class WeightAverageTests
{
    /// <summary>Two updates by hand: d = min(0.25, 2/11) = 2/11, then min(0.25, 3/12) = 0.25.</summary>
    [Test]
    public void Two_updates_have_the_values_of_the_formula()
    {
        TrainableTensor tensor = new("a", [1], [1f]);
        WeightAverage average = new([tensor], decay: 0.25);
        tensor.Values[0] = 12;
        average.Update();
        Assert.That(average[0][0], Is.EqualTo(1 + (11 * 9.0 / 11)).Within(1e-6));
        tensor.Values[0] = 2;
        average.Update();
        Assert.That(average[0][0], Is.EqualTo(10 - (8 * 0.75)).Within(1e-6));
    }

    [Test]
    public void The_average_of_equal_weights_is_the_weight()
    {
        TrainableTensor tensor = new("a", [1], [0.1f]);
        WeightAverage average = new([tensor], decay: 0.999);
        for (int step = 0; step < 100; step++)
            average.Update();
        Assert.That(average[0][0], Is.EqualTo(0.1f));
    }

    [Test]
    public void A_second_exchange_restores_the_weights()
    {
        TrainableTensor tensor = new("a", [2], [1f, 2f]);
        WeightAverage average = new([tensor], decay: 0.9);
        tensor.Values[0] = 7;
        average.Swap();
        Assert.That(tensor.Values.ToArray(), Is.EqualTo((float[])[1, 2]));
        average.Swap();
        Assert.That(tensor.Values.ToArray(), Is.EqualTo((float[])[7, 2]));
        Assert.That(average[0].ToArray(), Is.EqualTo((float[])[1, 2]));
    }

    [TestCase(1.0)]
    [TestCase(-0.1)]
    [TestCase(double.NaN)]
    public void A_decay_out_of_range_is_an_error(double decay)
        => Assert.That(() => new WeightAverage([new TrainableTensor("a", [1], [1f])], decay),
            Throws.ArgumentException.With.Message.StartsWith("decay: expected "));
}
