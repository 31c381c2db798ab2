using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

public class PhaseNameTests
{
    /// <summary>The command <c>cpu-profile</c> of <c>perf/MsResampler.Perf</c> counts the work of a phase by its
    /// name.</summary>
    private static readonly string[] s_names =
    [
        "FeatureCheck", "InputIntegers", "Input", "Norm", "KeysAndValues", "HeadIntegers", "Attention", "Sums",
        "OutputIntegers", "Outputs", "GateIntegers", "GateHidden", "Gate", "Tokens",
    ];

    private sealed class NamingPool() : WorkerPool(threadCount: 1)
    {
        public List<string> Names { get; } = [];

        public override void Run(IPhasedWork work, CancellationToken cancellationToken)
        {
            Names.AddRange(Enumerable.Range(0, work.PhaseCount).Select(work.NameOf).Where(name => name.Length > 0));
            base.Run(work, cancellationToken);
        }
    }

    [Test]
    public void A_call_runs_on_the_threads_of_its_options_and_names_its_phases()
    {
        using TestModel model = new(Configs.Mixed);
        NamingPool pool = new();
        using Resampler engine = Resampler.Load(model.Model, new ResamplerOptions { CreateWorkers = _ => pool });
        PatchGrid grid = new(4, 4);
        float[] tokens = new float[engine.Config.QueryGrid.QueryCount * engine.Config.OutputSize];
        engine.Resample(model.RandomFeatures(grid, seed: 1), [grid], tokens);
        Assert.That(pool.Names, Is.EqualTo(s_names));
    }
}
