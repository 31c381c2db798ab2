using System.Text;
using MsResampler.Tests.Reference;

namespace MsResampler.Tests.House;

/// <summary>The steps of adding a scope prior that the compiler cannot check.</summary>
public class ScopePriorTests
{
    private static readonly PatchGrid s_grid = new(6, 7);

    /// <summary>The first random scope of each prior. Every parity test draws from these cases.</summary>
    private static ScopeConfig Random(ScopePrior prior) => Enumerable.Range(0, 48)
        .SelectMany(index => new RandomCase(index).Config.Scopes).First(scope => scope.Prior == prior);

    [Test]
    public void Every_prior_survives_writing_and_reading([Values] ScopePrior prior)
    {
        ResamplerConfig config = Configs.Of(Random(prior));
        List<string> warnings = [];
        ResamplerConfig read = ConfigReader.Read(Encoding.UTF8.GetBytes(ConfigJson.Of(config)), "config.json",
            warnings);

        Assert.That(read.Scopes, Is.EqualTo(config.Scopes));
        Assert.That(warnings, Is.Empty);
    }

    /// <summary>A prior that neither hides patches nor weights them has no effect. The windows here are smaller than
    /// the grid.</summary>
    [Test]
    public void Every_prior_except_none_has_a_bias_in_engine_and_reference([Values] ScopePrior prior)
    {
        ScopeConfig scope = Random(prior);
        if (scope.Window is not null)
            scope = scope with { Window = new AxisPair(2, 3), Units = ScopeUnits.Patches };
        using TestModel model = new(Configs.Of(scope));
        using TestModel none = new(Configs.Of(Configs.None));
        float[] features = model.RandomFeatures(s_grid, 1);
        double error = prior == ScopePrior.None ? 0 : 1e-3;
        ScopeBias bias = new(scope, ScopeWindows.Resolve(scope, model.Model.Config.QueryGrid, s_grid),
            model.Model.Config.QueryGrid, null);

        Assert.That(Enumerable.Range(0, s_grid.Rows).Any(patch => bias.Row(0, 0, patch) != 0),
            Is.EqualTo(prior != ScopePrior.None));
        foreach (Implementation implementation in Enum.GetValues<Implementation>())
        {
            Assert.That(Tolerances.RelativeError(implementation.Resample(model, features, s_grid),
                implementation.Resample(none, features, s_grid)),
                error == 0 ? Is.EqualTo(0) : Is.GreaterThan(error), $"{implementation}");
        }
    }

    [Test]
    public void An_undefined_prior_is_rejected_everywhere()
    {
        ScopeConfig scope = Configs.Window(2, 2) with { Prior = (ScopePrior)99 };
        ResamplerConfig config = Configs.Of(scope);
        ScopeWindows windows = ScopeWindows.Resolve(scope, config.QueryGrid, s_grid);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ConfigJson.Of(config), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new ScopeBias(scope, windows, config.QueryGrid, null),
                Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    /// <summary>The cases of the shortest run of random models.</summary>
    [Test]
    public void Every_parity_test_draws_every_prior()
        => Assert.That(Enumerable.Range(0, 48).SelectMany(index => new RandomCase(index).Config.Scopes)
            .Select(scope => scope.Prior).Distinct(), Is.EquivalentTo(Enum.GetValues<ScopePrior>()));
}
