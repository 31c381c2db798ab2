namespace MsResampler.Training.Tests.Optimisation;

/// <summary>Limits of learned sigmas.</summary>
internal sealed class SigmaLimitsTests
{
    [TestCase(ScopeUnits.Patches, 0.5, 256)]
    [TestCase(ScopeUnits.Fraction, 1.0 / 64, 4)]
    public void Sigmas_move_into_the_limits_and_others_stay(ScopeUnits units, double floor, double ceiling)
    {
        TrainableModel model = Create(units);
        TrainableTensor sigmas = model["scopes.1.log_sigma"];
        sigmas.Values[0] = -100;
        sigmas.Values[1] = 100;
        float inside = sigmas.Values[2];
        float[][] others = ValuesExcept(sigmas, model);
        new SigmaLimits().Apply(model);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sigmas.Values[0], Is.EqualTo((float)Math.Log(floor)));
            Assert.That(sigmas.Values[1], Is.EqualTo((float)Math.Log(ceiling)));
            Assert.That(sigmas.Values[2], Is.EqualTo(inside));
            Assert.That(ValuesExcept(sigmas, model), Is.EqualTo(others));
        }
    }

    /// <summary>At the ceiling, weights over the whole grid differ by a factor of at most exp(1/16).</summary>
    [Test]
    public void The_ceiling_of_a_grid_is_four_times_its_longer_side()
    {
        SigmaLimits limits = SigmaLimits.ForGrid(new PatchGrid(3, 10));
        Assert.That(limits.PatchCeiling, Is.EqualTo(40));
    }

    [Test]
    public void Limits_that_include_the_sigmas_of_a_model_move_none([Values] ScopeUnits units)
    {
        TrainableModel model = Create(units);
        TrainableTensor sigmas = model["scopes.1.log_sigma"];
        sigmas.Values[0] = (float)Math.Log(0.001);
        sigmas.Values[1] = (float)Math.Log(1000);
        float[] before = sigmas.Values.ToArray();
        SigmaLimits limits = new SigmaLimits().Including(model);
        limits.Apply(model);
        Assert.That(sigmas.Values.ToArray(), Is.EqualTo(before));
        sigmas.Values[0] -= 1;
        sigmas.Values[1] += 1;
        limits.Apply(model);
        Assert.That(sigmas.Values.ToArray(), Is.EqualTo(before));
    }

    [Test]
    public void A_frozen_sigma_stays()
    {
        TrainableModel model = Create(ScopeUnits.Patches);
        TrainableTensor sigmas = model["scopes.1.log_sigma"];
        sigmas.IsFrozen = true;
        sigmas.Values[0] = -100;
        new SigmaLimits().Apply(model);
        Assert.That(sigmas.Values[0], Is.EqualTo(-100));
    }

    [Test]
    public void A_floor_above_the_ceiling_is_an_error()
        => Assert.That(() => new SigmaLimits { PatchFloor = 3, PatchCeiling = 2 }.Apply(Create(ScopeUnits.Patches)),
            Throws.InvalidOperationException.With.Message.StartsWith("PatchFloor: expected "));

    private static float[][] ValuesExcept(TrainableTensor sigmas, TrainableModel model)
        => [.. model.Tensors.Where(tensor => tensor != sigmas).Select(tensor => tensor.Values.ToArray())];

    private static TrainableModel Create(ScopeUnits units)
        => TrainableModel.Create(Configs.Of(Configs.None, Configs.Gaussian(0.7, 0.7, units: units)), seed: 1,
            learnSigmas: true);
}
