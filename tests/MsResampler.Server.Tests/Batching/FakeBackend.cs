namespace MsResampler.Server.Tests.Batching;

/// <summary>The CPU backend with a hook before every computation, which may block, throw or look.</summary>
internal sealed class FakeBackend : Backend
{
    /// <summary>Called before a computation. Warm-up calls it, too.</summary>
    public Action<FakeCall> Before { get; set; } = _ => { };

    /// <summary>The computations that were started, in order.</summary>
    public IReadOnlyList<FakeCall> Calls
    {
        get
        {
            lock (_calls)
                return [.. _calls];
        }
    }

    private readonly List<FakeCall> _calls = [];

    /// <summary>Forgets the calls so far.</summary>
    public void Clear()
    {
        lock (_calls)
            _calls.Clear();
    }

    internal override ModelEngine Create(ResamplerModel model, ResamplerOptions options)
        => new FakeEngine(this, Cpu.Create(model, options));

    private void Start(FakeCall call)
    {
        lock (_calls)
            _calls.Add(call);
        Before(call);
    }

    private sealed class FakeEngine(FakeBackend backend, ModelEngine engine) : ModelEngine
    {
        public override string Description => engine.Description;

        public override string BackendName => "fake";

        public override Precision Precision => engine.Precision;

        public override int ThreadCount => engine.ThreadCount;

        public override Planning.ExecutionPlan Plan(PatchGrid grid) => engine.Plan(grid);

        public override void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
            Span<float> gate, CancellationToken cancellationToken)
        {
            int[] groupPatchCounts = new int[groups.GroupCount];
            for (int group = 0; group < groups.GroupCount; group++)
                groupPatchCounts[group] = (int)new FrameGroups(groups.GridsOf(group)).PatchCount;
            backend.Start(new FakeCall(groupPatchCounts, !gate.IsEmpty, features.Length == 0 ? 0 : features[0],
                cancellationToken));
            engine.Resample(features, groups, tokens, gate, cancellationToken);
        }

        public override Explanation Explain(ReadOnlySpan<float> features, FrameGroups group,
            CancellationToken cancellationToken = default) => engine.Explain(features, group, cancellationToken);

        public override void Dispose() => engine.Dispose();
    }
}
