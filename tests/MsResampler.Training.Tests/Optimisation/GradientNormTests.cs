namespace MsResampler.Training.Tests.Optimisation;

/// <summary>The norm of gradients and its limit.</summary>
internal sealed class GradientNormTests
{
    [Test]
    public void The_norm_is_that_of_all_tensors_together([Values(1, 15, 16, 17, 40)] int count)
    {
        TrainableTensor[] tensors = Create(count);
        double expected = Math.Sqrt((9.0 * count) + (16.0 * count));
        Assert.That(GradientNorm.Measure(tensors), Is.EqualTo(expected).Within(1e-14 * expected));
    }

    [Test]
    public void A_norm_above_the_limit_is_scaled_to_it([Values(1, 17)] int count)
    {
        TrainableTensor[] tensors = Create(count);
        double before = GradientNorm.Clip(tensors, limit: 2, step: 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(before, Is.EqualTo(5 * Math.Sqrt(count)).Within(1e-14 * before));
            // The scale and each product are rounded to single precision.
            Assert.That(GradientNorm.Measure(tensors), Is.EqualTo(2).Within(2 * 2 * 6e-8));
            Assert.That(tensors[0].Gradient[0] / tensors[1].Gradient[0], Is.EqualTo(-0.75).Within(2 * 6e-8));
        }
    }

    [Test]
    public void A_norm_up_to_the_limit_stays_bit_for_bit()
    {
        TrainableTensor[] tensors = Create(1);
        GradientNorm.Clip(tensors, limit: 5, step: 1);
        GradientNorm.Clip(tensors, double.PositiveInfinity, step: 1);
        Assert.That((tensors[0].Gradient[0], tensors[1].Gradient[0]), Is.EqualTo((-3f, 4f)));
    }

    [Test]
    public void Frozen_tensors_do_not_count()
    {
        TrainableTensor[] tensors = Create(1);
        tensors[0].IsFrozen = true;
        tensors[0].Gradient[0] = float.NaN;
        Assert.That(GradientNorm.Clip(tensors, limit: 2, step: 1), Is.EqualTo(4));
        Assert.That(tensors[1].Gradient[0], Is.EqualTo(2));
    }

    [Test]
    public void A_gradient_that_is_not_finite_stops_with_the_step_and_the_tensor(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value, [Values(0, 16)] int place)
    {
        TrainableTensor[] tensors = Create(17);
        tensors[1].Gradient[place] = value;
        TrainingException exception = Assert.Throws<TrainingException>(
            () => GradientNorm.Clip(tensors, limit: 1, step: 7))!;
        Assert.That((exception.Step, exception.Name), Is.EqualTo((7L, "b.bias")));
    }

    /// <summary>The sum is in double precision: the square of the largest float does not overflow.</summary>
    [Test]
    public void Large_finite_gradients_do_not_overflow()
    {
        TrainableTensor[] tensors = Create(1);
        tensors[0].Gradient[0] = float.MaxValue;
        Assert.That(GradientNorm.Clip(tensors, limit: 1, step: 1), Is.EqualTo(float.MaxValue).Within(1e-7).Percent);
        Assert.That(tensors[0].Gradient[0], Is.EqualTo(1).Within(2 * 6e-8));
    }

    private static TrainableTensor[] Create(int count)
    {
        TrainableTensor[] tensors = [AdamWTests.Create("a.bias", [count], _ => 1),
            AdamWTests.Create("b.bias", [count], _ => 1)];
        tensors[0].Gradient.Fill(-3);
        tensors[1].Gradient.Fill(4);
        return tensors;
    }
}
