using System.Runtime.InteropServices;
using MsResampler.Cpu.Integer;
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
    private readonly IntegerKernel? _integerKernel;
    private readonly bool _hasBits16;
    private Core? _core;

    public CpuEngine(string variant, ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose = null)
    {
        _variant = variant;
        _validateFeatures = options.ValidateFeatures;
        _integerKernel = UsesIntegers(options.Precision, model.Weights)
            ? options.IntegerKernel ?? IntegerKernel.Choose(variant) : null;
        if (_integerKernel is not null && options.WeightStorage != WeightStorage.Float32)
        {
            string found = options.Precision == Precision.Int8 ? "Precision.Int8"
                : "Precision.Auto and a checkpoint of integers";
            throw new NotSupportedException($"WeightStorage {options.WeightStorage}: expected Precision.Float32, " +
                $"whose weights can be kept as they are stored, found {found}; use WeightStorage.Float32 or " +
                "Precision.Float32");
        }

        ModelLayers int8Layers = IntegerTypes.Int8LayersOf(options.Int8Layers, model.Weights);
        ModelOperands<TSimd, TVector> operands = new(model, _integerKernel is null ? null
            : new IntegerProducts(_integerKernel, int8Layers, model.Weights), options.WeightStorage);
        _workers = options.CreateWorkers(options.ThreadCount == 0 ? options.ProcessorCount
            : Math.Min(options.ThreadCount, options.ProcessorCount));
        CostModel costs = _integerKernel is null ? Costs : IntegerCosts.For(int8Layers);
        _hasBits16 = operands.HasBits16;
        string?[] warnings = [CpuVariant.All.FirstOrDefault(known => known.Name == variant)?.Warning,
            _integerKernel?.WhyNotFaster, options.WeightStorage == WeightStorage.AsStored && !_hasBits16
                ? "WeightStorage.AsStored: the checkpoint has no float16 or bfloat16 matrices; all weights are in " +
                    "float32" : null];
        Warnings = [.. warnings.OfType<string>()];
        Planner planner = new(model.Config, operands.KeyValueInput is not null, costs, choose)
        {
            Planned = options.Planned,
        };
        _core = new Core(operands, planner, costs, options.GridCacheBytes, _workers);
    }

    /// <summary>Costs of the kernels. Loads limit the narrow tiles: with 512-bit vectors, a tile of one vector
    /// reaches 0.8 of full speed and a tile of two vectors 0.95. A tile of three vectors reaches full speed; it counts
    /// as 0.9, because otherwise wide tiles of small windows were chosen, whose additional keys took longer.</summary>
    public static CostModel Costs { get; } = new CostModel(
        [.. Enumerable.Range(1, TSimd.PanelVectors).Select(vectors => vectors * TSimd.Width)],
        TSimd.PanelVectors == 4 ? [0.8, 0.95, 0.9, 1] : [0.7, 1])
    {
        AbsorbedValueHeads = AbsorbedValues<TSimd, TVector>.HeadCount,
    };

    public override string Description => $"cpu, {_variant}, " +
        $"{(_integerKernel is null ? "" : $"int8 by {_integerKernel.Name}, ")}" +
        $"{(_hasBits16 ? "16-bit weights, " : "")}{ThreadCount} " +
        $"thread{(ThreadCount == 1 ? "" : "s")}";

    public override string BackendName => "cpu";

    public override Precision Precision => _integerKernel is null ? Precision.Float32 : Precision.Int8;

    public override long? WeightBytes => Open().Model.WeightBytes;

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
        Span<float> gate, CancellationToken cancellationToken)
    {
        Core core = Open();
        fixed (float* input = features)
        fixed (float* output = tokens)
        fixed (float* gateWeights = gate)
        {
            ForwardPass<TSimd, TVector> pass = core.Passes.Rent();
            try
            {
                Validate(core, pass, input, features.Length, groups, cancellationToken);
                RunStacks(core, pass, input, groups, output, gateWeights, cancellationToken);
                if (core.Model.Config.Gate is null)
                    gate.Fill(1);
            }
            finally
            {
                core.Passes.Return(pass);
            }
        }

        GC.KeepAlive(this);
    }

    public override Explanation Explain(ReadOnlySpan<float> features, FrameGroups group,
        CancellationToken cancellationToken = default)
    {
        Core core = Open();
        ResamplerConfig config = core.Model.Config;
        int queryCount = config.QueryGrid.QueryCount;
        float[] tokens = new float[(long)queryCount * config.OutputSize];
        float[] gate = new float[queryCount * config.Scopes.Count * config.GateGroupCount];
        ForwardPass<TSimd, TVector> pass = core.Passes.Rent();
        try
        {
            fixed (float* input = features)
            fixed (float* output = tokens)
            fixed (float* gateWeights = gate)
            {
                Validate(core, pass, input, features.Length, group, cancellationToken);
                Collect(core, group, 0, 0, pass.Stack);
                pass.Prepare(input, output, gateWeights);
                _workers.Run(pass, cancellationToken);
                if (pass.OverflowedGroup >= 0)
                    ActivationOverflowException.Throw(group, 0, Precision);
                if (config.Gate is null)
                    Array.Fill(gate, 1f);
                float[][][] attention = new float[config.Scopes.Count][][];
                for (int scope = 0; scope < attention.Length; scope++)
                    attention[scope] = AttentionMaps.Compute(core.Model, scope, pass.Stack, pass.KeyFeatures,
                        pass.RowStride, cancellationToken)
                        ?? throw ActivationOverflowException.For(group, 0, Precision);
                return new Explanation(group.Grids, config, tokens, attention, gate);
            }
        }
        finally
        {
            Free(core.Grids, pass.Stack);
            core.Passes.Return(pass);
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

    /// <summary>Whether products use integers: if asked for, or if the checkpoint stores integers and nothing was asked
    /// for.</summary>
    private static bool UsesIntegers(Precision asked, ResamplerWeights weights) => asked == Precision.Int8
        || (asked == Precision.Auto && IntegerTypes.AreIntegers(weights)
            && IntegerKernel.IsPossible);

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

    private void RunStacks(Core core, ForwardPass<TSimd, TVector> pass, float* input, FrameGroups groups,
        float* output, float* gateWeights, CancellationToken cancellationToken)
    {
        ResamplerConfig config = core.Model.Config;
        FrameStack stack = pass.Stack;
        int firstFrame = 0;
        for (int group = 0; group < groups.GroupCount;)
        {
            try
            {
                Collect(core, groups, group, firstFrame, stack);
                pass.Prepare(input, output, gateWeights);
                _workers.Run(pass, cancellationToken);
                if (pass.OverflowedGroup is >= 0 and int overflowed)
                    ActivationOverflowException.Throw(groups, group + overflowed, Precision);
                input += (long)stack.RowCount * config.VisionHiddenSize;
                long tokenCount = (long)stack.GroupCount * config.QueryGrid.QueryCount;
                output += tokenCount * config.OutputSize;
                if (gateWeights is not null)
                    gateWeights += tokenCount * config.Scopes.Count * config.GateGroupCount;
                group += stack.GroupCount;
                firstFrame += stack.FrameCount;
            }
            finally
            {
                Free(core.Grids, stack);
            }
        }
    }

    /// <summary>Fills a stack with the first groups, starting at <paramref name="group"/>, that can be computed
    /// together.</summary>
    private static void Collect(Core core, FrameGroups groups, int group, int firstFrame, FrameStack stack)
    {
        int queryCount = core.Model.Config.QueryGrid.QueryCount;
        for (; group < groups.GroupCount; group++)
        {
            int frameCount = groups.FrameCountOf(group);
            ReadOnlySpan<PatchGrid> grids = groups.Grids.Slice(firstFrame, frameCount);
            if (stack.GroupCount > 0 && !HasRoom(stack, grids, queryCount))
                return;
            if (!(frameCount == 1 ? TryAddImage(core, grids[0], stack)
                : TryAddGroup(core, groups, grids, firstFrame, stack)))
                return;
            firstFrame += frameCount;
        }
    }

    private static bool HasRoom(FrameStack stack, ReadOnlySpan<PatchGrid> grids, int queryCount)
    {
        long rows = stack.RowCount;
        foreach (PatchGrid grid in grids)
            rows += grid.PatchCount;
        long partials = stack.PartialCount + (grids.Length == 1 ? 0 : grids.Length);
        return rows <= WorkspaceSize.StackRows
            && Math.Max(stack.GroupCount + 1, partials) * queryCount <= WorkspaceSize.StackRows;
    }

    private static bool TryAddImage(Core core, PatchGrid grid, FrameStack stack)
    {
        GridOperands operands = core.Grids.Acquire(grid);
        if (stack.GroupCount > 0 && !HaveSameStrategies(stack.Plan, operands.Plan))
        {
            core.Grids.Release(operands);
            return false;
        }

        stack.AddImage(operands);
        return true;
    }

    private static bool TryAddGroup(Core core, FrameGroups groups, ReadOnlySpan<PatchGrid> grids, int firstFrame,
        FrameStack stack)
    {
        GroupStrategies strategies = core.ChooseStrategies(grids, stack.ImagePlans);
        if (stack.GroupCount > 0 && !strategies.Match(stack.Plan))
            return false;
        for (int frame = 0; frame < grids.Length; frame++)
            stack.AddFrame(core.Grids.Acquire(new GridKey(grids[frame], strategies)),
                groups.TemporalIdOf(firstFrame + frame));
        stack.EndGroup();
        return true;
    }

    private static void Free(GridCache grids, FrameStack stack)
    {
        for (int frame = 0; frame < stack.FrameCount; frame++)
            grids.Release(stack[frame]);
        stack.Clear();
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
        private readonly GroupStrategies.Pool _strategies = new();

        public Core(ModelOperands<TSimd, TVector> model, Planner planner, CostModel costs, long gridCacheBytes,
            WorkerPool workers)
        {
            Model = model;
            Planner = planner;
            int headLanes = costs.PaddedLanes(model.Config.AttentionHeadCount);
            Grids = new GridCache(gridCacheBytes,
                key => GridPlan.Create(key.Strategies is null ? planner.Plan(key.Grid)
                    : planner.Plan(key.Grid, key.Strategies.Scopes), model.Config, headLanes,
                        isOfGroup: key.Strategies is not null),
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

        /// <summary>The strategies of a group of several frames.</summary>
        /// <param name="grids">The grids of its frames.</param>
        /// <param name="plans">A list to use.</param>
        public GroupStrategies ChooseStrategies(ReadOnlySpan<PatchGrid> grids, List<ExecutionPlan> plans)
        {
            plans.Clear();
            foreach (PatchGrid grid in grids)
                plans.Add(Grids.Plan(grid).Plan);
            int scopeCount = Model.Config.Scopes.Count;
            const int MaxStackCount = 64;
            Span<ScopeStrategy> strategies = scopeCount <= MaxStackCount ? stackalloc ScopeStrategy[scopeCount]
                : new ScopeStrategy[scopeCount];
            Planner.Choose(CollectionsMarshal.AsSpan(plans), strategies);
            return _strategies.Get(strategies);
        }
    }
}
