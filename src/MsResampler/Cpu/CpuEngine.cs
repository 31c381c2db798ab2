using System.Runtime.InteropServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Runs a model on the processor with one instruction set.</summary>
internal sealed unsafe class CpuEngine<TSimd, TVector> : ModelEngine
    where TSimd : struct, ISimd<TVector>
{
    private readonly string _variant;
    private readonly bool _validateFeatures;
    private readonly WorkerPool _workers;
    private Core? _core;

    public CpuEngine(string variant, ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose = null)
    {
        _variant = variant;
        Warnings = CpuVariant.All.FirstOrDefault(known => known.Name == variant)?.Warning is { } warning
            ? [warning] : [];
        _validateFeatures = options.ValidateFeatures;
        ModelOperands<TSimd, TVector> operands = new(model);
        _workers = new WorkerPool(options.ThreadCount == 0 ? options.ProcessorCount
            : Math.Min(options.ThreadCount, options.ProcessorCount));
        _core = new Core(operands, new Planner(model.Config, operands.KeyValueInput is not null, Costs, choose),
            options.GridCacheBytes, _workers);
    }

    /// <summary>Costs of the kernels. Loads limit the narrow tiles: with 512-bit vectors, a tile of one vector
    /// reaches 0.8 of full speed and a tile of two vectors 0.95.</summary>
    public static CostModel Costs { get; } = new CostModel(
        TSimd.PanelVectors == 4 ? [TSimd.Width, 2 * TSimd.Width, 4 * TSimd.Width] : [TSimd.Width, 2 * TSimd.Width],
        TSimd.PanelVectors == 4 ? [0.8, 0.95, 1] : [0.7, 1])
    {
        AbsorbedValueHeads = AbsorbedValues<TSimd, TVector>.HeadCount,
    };

    public override string Description => $"cpu, {_variant}, {ThreadCount} thread{(ThreadCount == 1 ? "" : "s")}";

    public override Precision Precision => Precision.Float32;

    public override IReadOnlyList<string> Warnings { get; }

    public override int ThreadCount => _workers.ThreadCount;

    /// <summary>The threads that compute.</summary>
    public WorkerPool Workers => _workers;

    /// <summary>Memory of the unused workspaces, in bytes. There is one workspace per call that ran
    /// concurrently.</summary>
    public long WorkspaceBytes => Open().Passes.Bytes;

    /// <summary>Operands of patch grids that were used before.</summary>
    public GridCache Grids => Open().Grids;

    public override ExecutionPlan Plan(PatchGrid grid) => Open().Planner.Plan(grid);

    public override void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens,
        CancellationToken cancellationToken)
    {
        groups.RequireImages();
        Core core = Open();
        fixed (float* input = features)
        fixed (float* output = tokens)
        {
            ForwardPass<TSimd, TVector> pass = core.Passes.Rent();
            try
            {
                Validate(core, pass, input, features.Length, groups, cancellationToken);
                RunGroups(core, pass, input, groups, output, cancellationToken);
            }
            finally
            {
                core.Passes.Return(pass);
            }
        }

        GC.KeepAlive(this);
    }

    public override Explanation Explain(ReadOnlySpan<float> features, FrameGroups group)
    {
        group.RequireImages();
        Core core = Open();
        ResamplerConfig config = core.Model.Config;
        int queryCount = config.QueryGrid.QueryCount;
        float[] tokens = new float[(long)queryCount * config.OutputSize];
        float[] gate = new float[queryCount * config.Scopes.Count * config.GateGroupCount];
        ForwardPass<TSimd, TVector> pass = core.Passes.Rent();
        GridOperands? operands = null;
        try
        {
            fixed (float* input = features)
            fixed (float* output = tokens)
            fixed (float* gateWeights = gate)
            {
                Validate(core, pass, input, features.Length, group, CancellationToken.None);
                operands = core.Grids.Acquire(group.Grids[0]);
                pass.Prepare([operands], input, output, gateWeights);
                _workers.Run(pass, CancellationToken.None);
                if (pass.OverflowedImage >= 0)
                    ActivationOverflowException.Throw(group, 0, Precision);
                if (config.Gate is null)
                    Array.Fill(gate, 1f);
                float[][][] attention = [.. Enumerable.Range(0, config.Scopes.Count).Select(scope =>
                    new[] { AttentionMaps.Compute(core.Model, scope, operands, pass.KeyFeatures, pass.RowStride) })];
                return new Explanation(group.Grids, config, attention, gate);
            }
        }
        finally
        {
            core.Passes.Return(pass);
            if (operands is not null)
                core.Grids.Release(operands);
            GC.KeepAlive(this);
        }
    }

    /// <summary>Ends the threads and drops the references to weights and workspaces. Calls in progress keep
    /// what they use and finish normally.</summary>
    public override void Dispose()
    {
        _core = null;
        _workers.Dispose();
    }

    private Core Open() => Volatile.Read(ref _core) ?? throw new ObjectDisposedException(typeof(Resampler).FullName);

    private void Validate(Core core, ForwardPass<TSimd, TVector> pass, float* features, int count,
        FrameGroups groups, CancellationToken cancellationToken)
    {
        if (!_validateFeatures)
            return;
        int found = pass.FeatureCheck.Find(features, count, _workers, cancellationToken);
        if (found >= 0)
            throw InvalidFeaturesException.At(new ReadOnlySpan<float>(features, count), found, groups,
                core.Model.Config.VisionHiddenSize);
    }

    private void RunGroups(Core core, ForwardPass<TSimd, TVector> pass, float* input, FrameGroups groups,
        float* output, CancellationToken cancellationToken)
    {
        ReadOnlySpan<PatchGrid> grids = groups.Grids;
        ResamplerConfig config = core.Model.Config;
        for (int image = 0; image < grids.Length; image += pass.Group.Count)
        {
            Free(core.Grids, pass.Group);
            try
            {
                long rows = Collect(core, grids[image..], pass.Group);
                pass.Prepare(CollectionsMarshal.AsSpan(pass.Group), input, output, gateWeights: null);
                _workers.Run(pass, cancellationToken);
                if (pass.OverflowedImage is >= 0 and int overflowed)
                    ActivationOverflowException.Throw(groups, image + overflowed, Precision);
                input += rows * config.VisionHiddenSize;
                output += (long)pass.Group.Count * config.QueryGrid.QueryCount * config.OutputSize;
            }
            catch
            {
                Free(core.Grids, pass.Group);
                throw;
            }
        }

        Free(core.Grids, pass.Group);
    }

    /// <summary>Fills a group with the first images that can be computed together. Returns the number of
    /// patches.</summary>
    private static long Collect(Core core, ReadOnlySpan<PatchGrid> grids, List<GridOperands> group)
    {
        int queryCount = core.Model.Config.QueryGrid.QueryCount;
        long rows = 0;
        foreach (PatchGrid grid in grids)
        {
            if (group.Count > 0
                && (rows + grid.PatchCount > WorkspaceSize.GroupRows
                    || (group.Count + 1) * (long)queryCount > WorkspaceSize.GroupRows))
                break;
            GridOperands next = core.Grids.Acquire(grid);
            if (group.Count > 0 && !HaveSameStrategies(group[0].Plan, next.Plan))
            {
                core.Grids.Release(next);
                break;
            }

            group.Add(next);
            rows += next.PatchCount;
        }

        return rows;
    }

    private static void Free(GridCache grids, List<GridOperands> group)
    {
        foreach (GridOperands operands in group)
            grids.Release(operands);
        group.Clear();
    }

    private static bool HaveSameStrategies(ExecutionPlan a, ExecutionPlan b)
    {
        for (int scope = 0; scope < a.Scopes.Count; scope++)
            if (a.Scopes[scope].Keys != b.Scopes[scope].Keys || a.Scopes[scope].Values != b.Scopes[scope].Values)
                return false;
        return true;
    }

    /// <summary>The state that <see cref="Dispose"/> drops.</summary>
    private sealed class Core
    {
        public Core(ModelOperands<TSimd, TVector> model, Planner planner, long gridCacheBytes, WorkerPool workers)
        {
            Model = model;
            Planner = planner;
            int headLanes = Costs.PaddedLanes(model.Config.AttentionHeadCount);
            Grids = new GridCache(gridCacheBytes,
                grid => GridPlan.Create<TSimd, TVector>(planner.Plan(grid), model.Config, headLanes),
                (plan, parts) => new GridOperandsBuilder<TSimd, TVector>(model, headLanes, parts, workers)
                    .Build(plan));
            WorkspaceSize size = new();
            Passes = new PassStack<TSimd, TVector>(
                () => new ForwardPass<TSimd, TVector>(model, workers.ThreadCount, size), TimeProvider.System);
        }

        public ModelOperands<TSimd, TVector> Model { get; }

        public Planner Planner { get; }

        public GridCache Grids { get; }

        public PassStack<TSimd, TVector> Passes { get; }
    }
}
