using MsResampler.Cpu;
using MsResampler.Planning;

namespace MsResampler.Tests.Cpu;

public class EarlyCompilationTests
{
    [Test]
    public void The_small_model_uses_every_strategy_and_has_finite_tokens()
    {
        using ResamplerModel model = SmallModel.Create();
        Planner planner = new(model.Config, hasKeyValueInput: false, CpuVariant.Choose().Costs,
            EarlyCompilation.StrategyOf);
        ExecutionPlan plan = planner.Plan(SmallModel.Grid);
        Assert.That(plan.Scopes.Select(scope => new ScopeStrategy(scope.Keys, scope.Values)),
            Is.EqualTo(ScopeStrategy.All));
        // Tokens that are not finite are an exception.
        Assert.That(EarlyCompilation.Run, Throws.Nothing);
    }
}
