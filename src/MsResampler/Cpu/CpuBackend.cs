using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The CPU backend on one instruction set.</summary>
internal sealed unsafe class CpuBackend<TSimd, TVector> : ModelEngine
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows stacked at most, unless one image alone has more: enough to read a weight once for many rows,
    /// few enough to bound the workspace.</summary>
    private const int GroupRows = 2304;

    private const long GridCacheBytes = 256L << 20;

    private readonly string _variant;
    private readonly bool _validateFeatures;
    private readonly ModelOperands<TSimd, TVector> _model;
    private readonly Planner _planner;
    private readonly GridCache _grids;
    private readonly Stack<ForwardPass<TSimd, TVector>> _idle = new();
    private readonly AlignedBuffer?[] _foldedQueries;
    private readonly int _headLanes;

    public CpuBackend(string variant, ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose = null)
    {
        _variant = variant;
        _validateFeatures = options.ValidateFeatures;
        _model = new ModelOperands<TSimd, TVector>(model.Config, model.Weights);
        _headLanes = Costs.PaddedLanes(model.Config.AttentionHeadCount);
        _planner = new Planner(model.Config, _model.KeyValueInput is not null, Costs, choose);
        _foldedQueries = new AlignedBuffer?[model.Config.Scopes.Count];
        _grids = new GridCache(GridCacheBytes, CreateGrid);
        Workers = new WorkerPool(options.ThreadCount == 0 ? Environment.ProcessorCount : options.ThreadCount);
    }

    /// <summary>What the kernels cost. A tile of one vector waits for its loads, so it reaches 0.8 of full speed
    /// measured with 512-bit vectors, one of two vectors 0.95.</summary>
    public static CostModel Costs { get; } = new CostModel(
        TSimd.PanelVectors == 4 ? [TSimd.Width, 2 * TSimd.Width, 4 * TSimd.Width] : [TSimd.Width, 2 * TSimd.Width],
        TSimd.PanelVectors == 4 ? [0.8, 0.95, 1] : [0.7, 1])
    {
        AbsorbedValueHeads = AbsorbedValues<TSimd, TVector>.HeadCount,
    };

    public override string Description => $"cpu, {_variant}, {ThreadCount} thread{(ThreadCount == 1 ? "" : "s")}";

    public override Precision Precision => Precision.Float32;

    public override int ThreadCount => Workers.ThreadCount;

    /// <summary>The threads.</summary>
    public WorkerPool Workers { get; }

    /// <summary>Memory that waits for the next call: one workspace for each call that ran at once with others, at most
    /// as many as there are threads.</summary>
    public long WorkspaceBytes
    {
        get
        {
            lock (_idle)
                return _idle.Sum(pass => pass.WorkspaceBytes);
        }
    }

    private ResamplerConfig Config => _model.Config;

    public override ExecutionPlan Plan(PatchGrid grid) => _planner.Plan(grid);

    public override void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken)
    {
        fixed (float* input = features)
        fixed (float* output = tokens)
        {
            ForwardPass<TSimd, TVector> pass = Rent();
            try
            {
                Validate(pass, input, features.Length, grids, cancellationToken);
                RunGroups(pass, input, grids, output, cancellationToken);
            }
            finally
            {
                Return(pass);
            }
        }

        GC.KeepAlive(this);
    }

    public override Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        int queryCount = Config.QueryGrid.QueryCount;
        float[] tokens = new float[(long)queryCount * Config.OutputSize];
        float[] gate = new float[queryCount * Config.Scopes.Count * Config.GateGroupCount];
        ForwardPass<TSimd, TVector> pass = Rent();
        try
        {
            fixed (float* input = features)
            fixed (float* output = tokens)
            fixed (float* gateWeights = gate)
            {
                Validate(pass, input, features.Length, [grid], CancellationToken.None);
                GridOperands operands = _grids.Get(grid);
                pass.Prepare([operands], input, output, gateWeights);
                Workers.Run(pass, CancellationToken.None);
                if (Config.Gate is null)
                    Array.Fill(gate, 1f);
                float[][] attention = [.. Enumerable.Range(0, Config.Scopes.Count).Select(scope =>
                    AttentionMaps.Compute(_model, scope, operands, pass.KeyFeatures, pass.RowStride))];
                return new Explanation(grid, queryCount, Config.Scopes.Count, Config.AttentionHeadCount,
                    Config.GateGroupCount, attention, gate);
            }
        }
        finally
        {
            Return(pass);
            GC.KeepAlive(this);
        }
    }

    public override void Dispose() => Workers.Dispose();

    private void Validate(ForwardPass<TSimd, TVector> pass, float* features, int count, ReadOnlySpan<PatchGrid> grids,
        CancellationToken cancellationToken)
    {
        if (!_validateFeatures)
            return;
        int found = pass.Check.Find(features, count, Workers, cancellationToken);
        if (found >= 0)
            throw InvalidFeaturesException.At(new ReadOnlySpan<float>(features, count), found, grids,
                Config.VisionHiddenSize);
    }

    private void RunGroups(ForwardPass<TSimd, TVector> pass, float* input, ReadOnlySpan<PatchGrid> grids, float* output,
        CancellationToken cancellationToken)
    {
        List<GridOperands> group = pass.Group;
        int queryCount = Config.QueryGrid.QueryCount;
        for (int image = 0; image < grids.Length;)
        {
            group.Clear();
            long rows = 0;
            for (; image < grids.Length; image++)
            {
                GridOperands next = group.Count > 0 && group[^1].Plan.Grid == grids[image] ? group[^1]
                    : _grids.Get(grids[image]);
                bool fits = rows + next.PatchCount <= GroupRows && (group.Count + 1) * (long)queryCount <= GroupRows;
                if (group.Count > 0 && !(fits && HaveSameStrategies(group[0].Plan, next.Plan)))
                    break;
                group.Add(next);
                rows += next.PatchCount;
            }

            pass.Prepare(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(group), input, output,
                gateWeights: null);
            Workers.Run(pass, cancellationToken);
            input += rows * Config.VisionHiddenSize;
            output += (long)group.Count * queryCount * Config.OutputSize;
        }
    }

    private static bool HaveSameStrategies(ExecutionPlan a, ExecutionPlan b)
    {
        for (int scope = 0; scope < a.Scopes.Count; scope++)
            if (a.Scopes[scope].Keys != b.Scopes[scope].Keys || a.Scopes[scope].Values != b.Scopes[scope].Values)
                return false;
        return true;
    }

    private GridOperands CreateGrid(PatchGrid grid) => GridOperands.Create(_model, _planner.Plan(grid), _headLanes,
        _foldedQueries);

    private ForwardPass<TSimd, TVector> Rent()
    {
        lock (_idle)
            return _idle.TryPop(out ForwardPass<TSimd, TVector>? pass) ? pass
                : new ForwardPass<TSimd, TVector>(_model, ThreadCount);
    }

    /// <summary>Keeps the workspace for the next call; as many as there are threads, the rest is left to the
    /// collector.</summary>
    private void Return(ForwardPass<TSimd, TVector> pass)
    {
        pass.Release();
        lock (_idle)
            if (_idle.Count < ThreadCount)
                _idle.Push(pass);
    }
}
