using System.Runtime.InteropServices;
using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Attention in a forward pass: keys, values, weights and partial rows of a stack, and the tasks that compute
/// them.</summary>
/// <remarks>A frame of a group of several frames is computed like an image, but into partial rows, which
/// <see cref="FrameMerge{TSimd,TVector}"/> then merges.</remarks>
internal sealed unsafe class AttentionStage<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private readonly ModelOperands<TSimd, TVector> _model;
    private readonly ResamplerConfig _config;
    private readonly FrameStack _stack;
    private readonly int _threadCount;
    private readonly int _rowStride;
    private readonly int _outputStride;
    private readonly float*[] _keys;
    private readonly float*[] _values;
    private readonly float*[] _probabilities;
    private readonly List<long>[] _probabilityStarts;
    private readonly float*[] _partials;
    private readonly FrameSum*[] _frameSums;
    private readonly List<int> _absorbedScopes = [];
    private readonly List<int> _mergedScopes = [];
    private readonly Func<int, int> _sumTasksOf;
    private readonly IntegerAttention<TSimd, TVector>? _integers;
    private int _valueQueryCount;

    /// <param name="model">The model.</param>
    /// <param name="stack">The groups.</param>
    /// <param name="threadCount">The number of threads.</param>
    /// <param name="rowStride">Floats between rows of Z and of partial rows.</param>
    /// <param name="outputStride">Floats between rows of <see cref="Output"/>.</param>
    public AttentionStage(ModelOperands<TSimd, TVector> model, FrameStack stack, int threadCount, int rowStride,
        int outputStride)
    {
        _model = model;
        _config = model.Config;
        _stack = stack;
        _threadCount = threadCount;
        _rowStride = rowStride;
        _outputStride = outputStride;
        int scopeCount = _config.Scopes.Count;
        _keys = new float*[scopeCount];
        _values = new float*[scopeCount];
        _probabilities = new float*[scopeCount];
        _probabilityStarts = [.. _config.Scopes.Select(_ => new List<long>())];
        _partials = new float*[scopeCount];
        _frameSums = new FrameSum*[scopeCount];
        _sumTasksOf = SumTasksOf;
        _integers = model.Integers is not null && _config.HeadSize <= IntegerTypes.MaxInnerCount ? new(model, stack)
            : null;
    }

    /// <summary>The number of tasks that round projected keys and values.</summary>
    public int RoundTaskCount => _integers?.TaskCount ?? 0;

    /// <summary>The layout of projected keys and values.</summary>
    public HeadLayout Heads { get; private set; }

    /// <summary>Floats of scratch memory that a task needs.</summary>
    public int ScratchCount { get; private set; }

    /// <summary>Z of the stack, [rows, D].</summary>
    public float* Features { get; set; }

    /// <summary>Z plus positions, [rows, D].</summary>
    public float* KeyFeatures { get; set; }

    /// <summary>Receives the output of attention, [groups·M, S·D].</summary>
    public float* Output { get; set; }

    private int QueryCount => _config.QueryGrid.QueryCount;

    private int MergeBlocks
        => (QueryCount + FrameMerge<TSimd, TVector>.QueryCount - 1) / FrameMerge<TSimd, TVector>.QueryCount;

    /// <summary>The scope whose keys and values a scope uses.</summary>
    public int Owner(int scope) => _config.ShareKeyValues ? 0 : scope;

    /// <summary>Whether the plan of the stack projects the keys of a scope.</summary>
    public bool IsKeyProjected(int scope) => _stack.Plan.Scopes[scope].Keys == ProjectionStrategy.Projected;

    /// <summary>Whether the plan of the stack projects the values of a scope.</summary>
    public bool IsValueProjected(int scope) => _stack.Plan.Scopes[scope].Values == ProjectionStrategy.Projected;

    /// <summary>Receives the projected keys of a scope, head by head.</summary>
    public float* Keys(int scope) => _keys[scope];

    /// <summary>Receives the projected values of a scope, head by head.</summary>
    public float* Values(int scope) => _values[scope];

    /// <summary>Prepares to compute the stack: its tasks and the sizes of its memory.</summary>
    public void Prepare()
    {
        _absorbedScopes.Clear();
        _mergedScopes.Clear();
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
            (IsValueProjected(scope) ? _mergedScopes : _absorbedScopes).Add(scope);
        _valueQueryCount = AbsorbedValues<TSimd, TVector>.QueryCountOf(_config,
            _absorbedScopes.Count * _stack.GroupCount, _threadCount);
        _stack.CountTasks(_sumTasksOf);
        Heads = HeadLayout.For(_config.HeadSize, _stack.RowCount);
        Measure();
    }

    /// <summary>Assigns the memory at <paramref name="next"/>.</summary>
    public void Place(ref PassMemory next)
    {
        _integers?.Clear();
        long headRows = (_config.AttentionHeadCount * (long)Heads.HeadStride) + MicroKernel<TSimd, TVector>.PanelWidth;
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
        {
            if (Owner(scope) != scope)
                continue;
            if (IsKeyProjected(scope))
                _keys[scope] = next.Take(headRows);
            if (IsValueProjected(scope))
                _values[scope] = next.Take(headRows);
            if (IsKeyProjected(scope))
                _integers?.Place(ref next, scope);
        }

        long partialRows = (long)_stack.PartialCount * QueryCount;
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
        {
            _probabilities[scope] = next.Take(_probabilityStarts[scope][^1]);
            _partials[scope] = next.Take(IsValueProjected(scope) ? partialRows * _rowStride : 0);
            _frameSums[scope] = (FrameSum*)next.Take(
                partialRows * _config.AttentionHeadCount * sizeof(FrameSum) / sizeof(float));
        }
    }

    /// <summary>Rounds the keys or values of a head of a frame.</summary>
    public void Round(int task) => _integers!.Round(task, this);

    /// <summary>Computes one task of a frame.</summary>
    public void Attend(int task, float* scratch)
    {
        (int frame, int index) = _stack.FrameOfTask(task);
        GridOperands grid = _stack[frame];
        AttentionTask unit = grid.Tasks[index];
        int partial = _stack.PartialOf(frame);
        float* output = partial < 0 ? AttentionRow(_stack.GroupOf(frame), unit.Scope) : PartialRow(frame, unit.Scope);
        int outputStride = partial < 0 ? _outputStride : _rowStride;
        FrameSum* sums = partial < 0 ? null : SumsOf(frame, unit.Scope);
        nint firstRow = _stack.FirstRow(frame);
        if (grid.Tiled[unit.Scope] is { } tiled)
        {
            if (_integers is not null)
            {
                int owner = Owner(unit.Scope);
                ScopeAttentionInteger<TSimd, TVector>.Run(tiled, unit.Index, unit.Head, grid.Plan.Grid.Columns,
                    _integers.Keys(owner), _integers.Values(owner), frame, _stack.FirstRow(frame), output, outputStride,
                    scratch, sums, _config.AttentionHeadCount);
                return;
            }

            AttentionTask next = NextTask(grid, index);
            ScopeAttentionTiled<TSimd, TVector>.Run(tiled, unit.Index, unit.Head, grid.Plan.Grid.Columns,
                _keys[Owner(unit.Scope)] + (firstRow * Heads.RowStride),
                _values[Owner(unit.Scope)] + (firstRow * Heads.RowStride), Heads, output, outputStride,
                scratch, sums, _config.AttentionHeadCount, next.Scope == unit.Scope ? next.Index : -1, next.Head);
            return;
        }

        AbsorbedScope absorbed = grid.Absorbed[unit.Scope]!;
        ScopeAttentionAbsorbed<TSimd, TVector>.ComputeWeights(absorbed, unit.Index, _config.HiddenSize,
            KeyFeatures + (firstRow * _rowStride), _rowStride, scratch, NextQueries(grid, index),
            sums == null ? null : sums + ((nint)unit.Index * _config.AttentionHeadCount), _config.AttentionHeadCount);
        if (absorbed.AreValuesAbsorbed)
        {
            // The weights are computed in scratch memory and copied: the last tile writes surplus rows, which
            // would overwrite the weights of another query.
            int count = absorbed.MaxKeyCount * absorbed.LaneCount;
            new ReadOnlySpan<float>(scratch, count).CopyTo(
                new Span<float>(Probabilities(unit.Scope, frame) + ((nint)unit.Index * count), count));
            return;
        }

        ScopeAttentionAbsorbed<TSimd, TVector>.SumValues(absorbed, unit.Index, _config.AttentionHeadCount,
            _values[Owner(unit.Scope)] + (firstRow * Heads.RowStride), Heads,
            output + ((nint)unit.Index * outputStride), scratch);
    }

    /// <summary>The task that this thread is likely to take next; of scope −1 if there is none.</summary>
    private AttentionTask NextTask(GridOperands grid, int task)
        => task + _threadCount < grid.Tasks.Length ? grid.Tasks[task + _threadCount] : new AttentionTask(-1, -1, 0);

    /// <summary>The folded queries of the task that this thread is likely to take next; null if there is
    /// none.</summary>
    private float* NextQueries(GridOperands grid, int task) => NextTask(grid, task) is { Scope: >= 0 } next
        && grid.Absorbed[next.Scope] is { } absorbed ? absorbed.Queries(next.Index) : null;

    /// <summary>Computes one task of the sums after attention: of absorbed values, and of the merge of
    /// frames.</summary>
    public void Sum(int task, float* scratch)
    {
        (int group, int index) = _stack.GroupOfTask(task);
        int first = _stack.FirstFrame(group);
        int valueTasks = AbsorbedValues<TSimd, TVector>.TaskCount(_config, _valueQueryCount);
        if (index < _absorbedScopes.Count * valueTasks)
        {
            int scope = _absorbedScopes[index / valueTasks];
            AbsorbedValues<TSimd, TVector>.Run(
                new WeightedRows<TSimd, TVector>(_stack, group, scope, _probabilities[scope],
                    CollectionsMarshal.AsSpan(_probabilityStarts[scope])[first..], Features, _rowStride),
                AbsorbedValues<TSimd, TVector>.TaskOf(_config, _valueQueryCount, index % valueTasks),
                _model.Scopes[scope].HeadValues, _config,
                _stack.PartialOf(first) < 0 ? null : SumsOf(first, scope), AttentionRow(group, scope), _outputStride,
                scratch);
            return;
        }

        (int merged, int block) = Math.DivRem(index - (_absorbedScopes.Count * valueTasks), MergeBlocks);
        int mergedScope = _mergedScopes[merged];
        FrameMerge<TSimd, TVector>.Run(_stack, group, mergedScope, block * FrameMerge<TSimd, TVector>.QueryCount,
            SumsOf(first, mergedScope), PartialRow(first, mergedScope), _rowStride, _config,
            AttentionRow(group, mergedScope), _outputStride);
    }

    /// <summary>The number of tasks of the sums of a group: of absorbed values, and of the merge of frames.</summary>
    private int SumTasksOf(int group)
        => (_absorbedScopes.Count * AbsorbedValues<TSimd, TVector>.TaskCount(_config, _valueQueryCount))
            + (_stack.FrameCountOf(group) == 1 ? 0 : _mergedScopes.Count * MergeBlocks);

    private void Measure()
    {
        int scratch = 0;
        foreach (List<long> starts in _probabilityStarts)
        {
            starts.Clear();
            starts.Add(0);
        }

        for (int frame = 0; frame < _stack.FrameCount; frame++)
        {
            for (int scope = 0; scope < _config.Scopes.Count; scope++)
            {
                if (_stack[frame].Tiled[scope] is { } tiled)
                    scratch = Math.Max(scratch, _integers?.ScratchCount(tiled.MaxLaneCount)
                        ?? ScopeAttentionTiled<TSimd, TVector>.ScratchCount(tiled.MaxLaneCount, _config.HeadSize));
                AbsorbedScope? absorbed = _stack[frame].Absorbed[scope];
                if (absorbed is not null)
                    scratch = Math.Max(scratch,
                        ScopeAttentionAbsorbed<TSimd, TVector>.ScratchCount(absorbed, _config.HeadSize));
                bool areAbsorbed = absorbed is { AreValuesAbsorbed: true };
                if (areAbsorbed)
                    scratch = Math.Max(scratch, AbsorbedValues<TSimd, TVector>.ScratchCount(_config,
                        _model.Scopes[scope].Values, _valueQueryCount, absorbed!.MaxKeyCount));
                _probabilityStarts[scope].Add(_probabilityStarts[scope][^1]
                    + (areAbsorbed ? (long)QueryCount * absorbed!.MaxKeyCount * absorbed.LaneCount : 0));
            }
        }

        ScratchCount = scratch;
    }

    private float* Probabilities(int scope, int frame)
        => _probabilities[scope] + _probabilityStarts[scope][frame];

    /// <summary>The sums of the softmax of a frame of a group of several frames, [M, A].</summary>
    private FrameSum* SumsOf(int frame, int scope)
        => _frameSums[scope] + ((nint)_stack.PartialOf(frame) * QueryCount * _config.AttentionHeadCount);

    /// <summary>The output of attention on a frame of a group of several frames, [M, D].</summary>
    private float* PartialRow(int frame, int scope)
        => _partials[scope] + ((nint)_stack.PartialOf(frame) * QueryCount * _rowStride);

    /// <summary>The output of attention of a group, [M, S·D], at channel 0 of a scope.</summary>
    private float* AttentionRow(int group, int scope)
        => Output + ((nint)group * QueryCount * _outputStride) + ((nint)scope * _config.HiddenSize);
}
