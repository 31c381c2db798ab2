using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The workspace and the stages of one call. The stages process a stack of images and groups of frames whose
/// plans use the same strategies; their rows are stacked, so that each weight is read once for all of them.</summary>
/// <remarks>
/// The arithmetic of an element depends only on the plan of its image or group, not on the position of its row or on
/// the thread that computes it. Tokens are therefore bit-identical in any batch.
/// <para>Attention computes a frame of a group of several frames like an image, but into partial rows, which
/// <see cref="FrameMerge{TSimd,TVector}"/> then merges.</para>
/// <para>Intermediate results share one block of memory, sized for the largest stack so far. Let Z be the rows of
/// features (twice if keys have positions), P the projected keys and values, W the attention weights of absorbed
/// scopes, the partial rows and the scratch memory of the threads, and B one row of S·D floats per query. Attention
/// uses Z + P + W + B, the branch outputs use 2·B, and the block holds Z + P + W + 2·B: at most 1.5 times the larger of
/// the two. <see cref="WorkspaceSize"/> decides how much the block grows.</para>
/// </remarks>
internal sealed unsafe class ForwardPass<TSimd, TVector> : IPhasedWork
    where TSimd : struct, ISimd<TVector>
{
    private const int NormRows = 16;

    private readonly ModelOperands<TSimd, TVector> _model;
    private readonly WorkspaceSize _size;
    private readonly ResamplerConfig _config;
    private readonly int _threadCount;
    private readonly float*[] _keys;
    private readonly float*[] _values;
    private readonly float*[] _probabilities;
    private readonly List<long>[] _probabilityStarts;
    private readonly float*[] _partials;
    private readonly FrameSum*[] _frameSums;
    private readonly List<int> _absorbedScopes = [];
    private readonly List<int> _mergedScopes = [];
    private readonly Func<int, int> _sumTasksOf;
    private readonly GemmList<TSimd, TVector> _inputGemm = new();
    private readonly GemmList<TSimd, TVector> _keyValueGemm = new();
    private readonly GemmList<TSimd, TVector> _outputGemm = new();
    private readonly GemmList<TSimd, TVector> _tokenGemm = new();
    private AlignedBuffer _workspace = new(0);
    private float* _positioned;
    private float* _attention;
    private float* _branches;
    private float* _fused;
    private float* _scratch;
    private float* _times;
    private float* _input;
    private float* _gateWeights;
    private float* _tokens;
    private int _overflowedGroup;
    private int _scratchStride;
    private HeadLayout _heads;

    public ForwardPass(ModelOperands<TSimd, TVector> model, int threadCount, WorkspaceSize size)
    {
        _model = model;
        _size = size;
        _config = model.Config;
        _threadCount = threadCount;
        int scopeCount = _config.Scopes.Count;
        _keys = new float*[scopeCount];
        _values = new float*[scopeCount];
        _probabilities = new float*[scopeCount];
        _probabilityStarts = [.. _config.Scopes.Select(_ => new List<long>())];
        _partials = new float*[scopeCount];
        _frameSums = new FrameSum*[scopeCount];
        _sumTasksOf = SumTasksOf;
        RowStride = RowStrideOf(_config.HiddenSize);
        BranchStride = RowStrideOf(checked(scopeCount * _config.HiddenSize));
    }

    /// <summary>The stages in the order of their execution; each is a phase of the work.</summary>
    private enum Stage
    {
        Input,
        Norm,
        KeysAndValues,
        Attention,
        Sums,
        Outputs,
        Gate,
        Tokens,
    }

    public int PhaseCount => (int)Stage.Tokens + 1;

    /// <summary>Floats between rows of buffers [·, D].</summary>
    public int RowStride { get; }

    /// <summary>The groups that are computed together.</summary>
    public FrameStack Stack { get; } = new();

    private int BranchStride { get; }

    /// <summary>The check for features that are NaN or infinite.</summary>
    public FeatureCheckWork FeatureCheck { get; } = new();

    /// <summary>Memory of the intermediate results, in bytes.</summary>
    public long WorkspaceBytes => sizeof(float) * (long)_workspace.Count;

    /// <summary>Index in the stack of the first group with NaN or infinite tokens, or −1. No stage turns
    /// NaN or infinite values into finite ones, so every overflow that a token depends on is found here.</summary>
    public int OverflowedGroup => _overflowedGroup == int.MaxValue ? -1 : _overflowedGroup;

    /// <summary>Z of the stack, [rows, D].</summary>
    public float* Features { get; private set; }

    /// <summary>The input of the key projections, [rows, D]: Z plus positions, or Z if keys have no
    /// positions.</summary>
    public float* KeyFeatures => HasKeyPositions ? _positioned : Features;

    private bool HasKeyPositions => HasTimes || _config.PositionEmbedding.Keys != PositionEmbeddingType.None;

    private bool HasTimes => Stack.HasTimes && _config.PositionEmbedding.Frames != FrameEmbeddingType.None;

    private int RowCount => Stack.RowCount;

    private int QueryCount => _config.QueryGrid.QueryCount;

    /// <summary>The stride for rows of <paramref name="width"/> floats: a multiple of 16 floats, but not of 4 KiB, so
    /// that the elements of a column do not all map to the same set of the first-level cache.</summary>
    public static int RowStrideOf(int width) => ((width + 15) & ~15) + 16;

    /// <summary>Prepares to compute <see cref="Stack"/>.</summary>
    /// <param name="input">The features of the stack, [rows, C]. They must not move until the work is done.</param>
    /// <param name="tokens">Receives the tokens of the stack, [groups·M, L].</param>
    /// <param name="gateWeights">Receives the gate weights, [groups·M, S·R]; may be null.</param>
    public void Prepare(float* input, float* tokens, float* gateWeights)
    {
        _absorbedScopes.Clear();
        _mergedScopes.Clear();
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
            (IsValueProjected(scope) ? _mergedScopes : _absorbedScopes).Add(scope);
        Stack.CountTasks(_sumTasksOf);
        _input = input;
        _gateWeights = gateWeights;
        _tokens = tokens;
        _overflowedGroup = int.MaxValue;
        _heads = HeadLayout.For(_config.HeadSize, RowCount);
        Reserve();

        int tokenRows = Stack.GroupCount * QueryCount;
        int width = _config.HiddenSize;
        _inputGemm.Start(RowCount);
        if (_model.KeyValueInput is { } inputWeight)
            _inputGemm.Add(input, _config.VisionHiddenSize, inputWeight, Features, RowStride);
        _inputGemm.Cut(_threadCount);
        _keyValueGemm.Start(RowCount);
        for (int scope = 0; scope < OwnerCount; scope++)
        {
            if (IsKeyProjected(scope))
                _keyValueGemm.Add(KeyFeatures, RowStride, _model.Scopes[scope].Keys, _keys[scope], _heads);
            if (IsValueProjected(scope))
                _keyValueGemm.Add(Features, RowStride, _model.Scopes[scope].Values, _values[scope], _heads);
        }

        _keyValueGemm.Cut(_threadCount);
        _outputGemm.Start(tokenRows);
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
            _outputGemm.Add(_attention + ((nint)scope * width), BranchStride, _model.Scopes[scope].Output,
                _branches + ((nint)scope * width), BranchStride);
        _outputGemm.Cut(_threadCount);
        _tokenGemm.Start(tokenRows);
        _tokenGemm.Add(_fused, RowStride, _model.Projection, tokens, _config.OutputSize);
        _tokenGemm.Cut(_threadCount);
    }

    /// <summary>Drops the references to the caller's memory and to the grids.</summary>
    public void Release()
    {
        Stack.Clear();
        _input = _gateWeights = _tokens = null;
    }

    public int TaskCount(int phase) => (Stage)phase switch
    {
        Stage.Norm => (RowCount + NormRows - 1) / NormRows,
        Stage.Input => _inputGemm.TaskCount + (HasTimes ? Stack.FrameCount : 0),
        Stage.Attention => Stack.TaskCount,
        Stage.Sums => Stack.SumTaskCount,
        Stage.Gate => ((Stack.GroupCount * QueryCount) + FusionGate<TSimd, TVector>.RowCount - 1)
            / FusionGate<TSimd, TVector>.RowCount,
        Stage products => ProductsOf(products).TaskCount,
    };

    public string NameOf(int phase) => $"{(Stage)phase}";

    public bool IsCancellable(int phase) => (Stage)phase != Stage.Tokens;

    public void Execute(int phase, int task, int worker)
    {
        float* scratch = _scratch + ((nint)worker * _scratchStride);
        switch ((Stage)phase)
        {
            case Stage.Input when task >= _inputGemm.TaskCount:
                EmbedTime(task - _inputGemm.TaskCount);
                break;
            case Stage.Norm:
                Normalise(task);
                break;
            case Stage.Attention:
                Attend(task, scratch);
                break;
            case Stage.Sums:
                Sum(task, scratch);
                break;
            case Stage.Gate:
                Fuse(task, scratch);
                break;
            case Stage products:
                ProductsOf(products).Execute(task);
                if (products == Stage.Tokens)
                    CheckTokens(task);
                break;
        }
    }

    /// <summary>The matrix products of a stage that consists of products.</summary>
    private GemmList<TSimd, TVector> ProductsOf(Stage stage) => stage switch
    {
        Stage.Input => _inputGemm,
        Stage.KeysAndValues => _keyValueGemm,
        Stage.Outputs => _outputGemm,
        _ => _tokenGemm,
    };

    /// <summary>The number of scopes with key and value projections of their own.</summary>
    private int OwnerCount => _config.ShareKeyValues ? 1 : _config.Scopes.Count;

    private int Owner(int scope) => _config.ShareKeyValues ? 0 : scope;

    private bool IsKeyProjected(int scope) => Stack.Plan.Scopes[scope].Keys == ProjectionStrategy.Projected;

    private bool IsValueProjected(int scope) => Stack.Plan.Scopes[scope].Values == ProjectionStrategy.Projected;

    private void Reserve()
    {
        MeasureScratch();
        long count = Place(null);
        if (_workspace.Count < count)
        {
            count = _size.For(count, isGrowing: _workspace.Count > 0, isStacked: RowCount <= WorkspaceSize.StackRows
                && (long)Stack.PartialCount * QueryCount <= WorkspaceSize.StackRows);
            // Drops the smaller block first, so that both need not exist at the same time.
            _workspace = new AlignedBuffer(0);
            _workspace = new AlignedBuffer(count);
        }

        Place(_workspace.Pointer);
    }

    /// <summary>Assigns the intermediate results to memory at <paramref name="start"/>. Returns the floats that
    /// they take.</summary>
    private long Place(float* start)
    {
        float* next = start;
        int slack = MicroKernel<TSimd, TVector>.PanelWidth;
        long rows = ((long)RowCount * RowStride) + slack;
        Features = Take(ref next, rows);
        if (HasKeyPositions)
            _positioned = Take(ref next, rows);
        long headRows = (_config.AttentionHeadCount * (long)_heads.HeadStride) + slack;
        for (int scope = 0; scope < OwnerCount; scope++)
        {
            if (IsKeyProjected(scope))
                _keys[scope] = Take(ref next, headRows);
            if (IsValueProjected(scope))
                _values[scope] = Take(ref next, headRows);
        }

        for (int scope = 0; scope < _config.Scopes.Count; scope++)
        {
            _probabilities[scope] = Take(ref next, _probabilityStarts[scope][^1]);
            long partialRows = (long)Stack.PartialCount * QueryCount;
            _partials[scope] = Take(ref next, IsValueProjected(scope) ? partialRows * RowStride : 0);
            _frameSums[scope] = (FrameSum*)Take(ref next,
                partialRows * _config.AttentionHeadCount * sizeof(FrameSum) / sizeof(float));
        }

        _times = Take(ref next, HasTimes ? (long)Stack.PartialCount * RowStride : 0);
        _scratch = Take(ref next, (long)_threadCount * _scratchStride);
        long branchCount = (long)Stack.GroupCount * QueryCount * BranchStride;
        _attention = Take(ref next, branchCount);
        _branches = Take(ref next, branchCount);
        // The fusion gate runs after the branch outputs, when the output of attention is no longer needed.
        _fused = _attention;
        return next - start;

        static float* Take(ref float* next, long count)
        {
            float* taken = next;
            next += (count + 15) & ~15L;
            return taken;
        }
    }

    private void MeasureScratch()
    {
        int scratch = FusionGate<TSimd, TVector>.ScratchCount(_config);
        foreach (List<long> starts in _probabilityStarts)
        {
            starts.Clear();
            starts.Add(0);
        }

        for (int frame = 0; frame < Stack.FrameCount; frame++)
        {
            for (int scope = 0; scope < _config.Scopes.Count; scope++)
            {
                if (Stack[frame].Tiled[scope] is { } tiled)
                    scratch = Math.Max(scratch, ScopeAttentionTiled<TSimd, TVector>.ScratchCount(
                        tiled.MaxLaneCount, _config.HeadSize));
                AbsorbedScope? absorbed = Stack[frame].Absorbed[scope];
                if (absorbed is not null)
                    scratch = Math.Max(scratch,
                        ScopeAttentionAbsorbed<TSimd, TVector>.ScratchCount(absorbed, _config.HeadSize));
                bool areAbsorbed = absorbed is { AreValuesAbsorbed: true };
                if (areAbsorbed)
                    scratch = Math.Max(scratch, AbsorbedValues<TSimd, TVector>.ScratchCount(absorbed!));
                _probabilityStarts[scope].Add(_probabilityStarts[scope][^1]
                    + (areAbsorbed ? (long)QueryCount * absorbed!.MaxKeyCount * absorbed.LaneCount : 0));
            }
        }

        // One cache line of padding, so that two workers never write to the same line.
        _scratchStride = ((scratch + 15) & ~15) + 16;
    }

    /// <summary>The number of tasks of the sums of a group: of absorbed values, and of the merge of frames.</summary>
    private int SumTasksOf(int group) => Stack.FrameCountOf(group) is var frameCount && frameCount == 1
        ? Stack[Stack.FirstFrame(group)].ValueTasks.Length
        : (_absorbedScopes.Count * AbsorbedValues<TSimd, TVector>.TaskCount(_config, frameCount))
            + (_mergedScopes.Count * MergeBlocks);

    private int MergeBlocks
        => (QueryCount + FrameMerge<TSimd, TVector>.QueryCount - 1) / FrameMerge<TSimd, TVector>.QueryCount;

    private void EmbedTime(int frame)
    {
        if (Stack.TemporalId(frame) is >= 0 and int temporalId)
            PositionEmbedding.OfFrame(temporalId, TimeOf(frame));
    }

    /// <summary>What the keys of a frame add for its time, [D].</summary>
    private Span<float> TimeOf(int frame)
        => new(_times + ((nint)Stack.PartialOf(frame) * RowStride), _config.HiddenSize);

    private void Normalise(int task)
    {
        int end = Math.Min((task + 1) * NormRows, RowCount);
        int frame = Stack.FrameOfRow(task * NormRows);
        for (int row = task * NormRows; row < end; row++)
        {
            while (row >= Stack.FirstRow(frame + 1))
                frame++;
            float* target = Features + ((nint)row * RowStride);
            float* source = _model.KeyValueInput is null ? _input + ((nint)row * _config.VisionHiddenSize) : target;
            _model.KeyValueNorm.Apply(source, target);
            if (!HasKeyPositions)
                continue;
            ReadOnlySpan<float> normal = new(target, _config.HiddenSize);
            Span<float> positioned = new(_positioned + ((nint)row * RowStride), _config.HiddenSize);
            if (Stack[frame].Positions is { } positions)
                positions.AddTo(normal, row - Stack.FirstRow(frame), positioned);
            else
                normal.CopyTo(positioned);
            if (HasTimes && Stack.TemporalId(frame) >= 0)
                TensorPrimitives.Add(positioned, TimeOf(frame), positioned);
        }
    }

    private void Attend(int task, float* scratch)
    {
        (int frame, int index) = Stack.FrameOfTask(task);
        GridOperands grid = Stack[frame];
        AttentionTask unit = grid.Tasks[index];
        int partial = Stack.PartialOf(frame);
        float* output = partial < 0 ? AttentionRow(Stack.GroupOf(frame), unit.Scope) : PartialRow(frame, unit.Scope);
        int outputStride = partial < 0 ? BranchStride : RowStride;
        FrameSum* sums = partial < 0 ? null : SumsOf(frame, unit.Scope);
        nint firstRow = Stack.FirstRow(frame);
        if (grid.Tiled[unit.Scope] is { } tiled)
        {
            ScopeAttentionTiled<TSimd, TVector>.Run(tiled, unit.Index, unit.Head, grid.Plan.Grid.Columns,
                _keys[Owner(unit.Scope)] + (firstRow * _heads.RowStride),
                _values[Owner(unit.Scope)] + (firstRow * _heads.RowStride), _heads, output, outputStride,
                scratch, sums, _config.AttentionHeadCount);
            return;
        }

        AbsorbedScope absorbed = grid.Absorbed[unit.Scope]!;
        ScopeAttentionAbsorbed<TSimd, TVector>.ComputeWeights(absorbed, unit.Index, _config.HiddenSize,
            KeyFeatures + (firstRow * RowStride), RowStride, scratch, NextQueries(grid, index),
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
            _values[Owner(unit.Scope)] + (firstRow * _heads.RowStride), _heads,
            output + ((nint)unit.Index * outputStride), scratch);
    }

    /// <summary>The folded queries of the task that this thread is likely to take next; null if there is
    /// none.</summary>
    private float* NextQueries(GridOperands grid, int task)
    {
        if (task + _threadCount >= grid.Tasks.Length)
            return null;
        AttentionTask next = grid.Tasks[task + _threadCount];
        return grid.Absorbed[next.Scope] is { } absorbed ? absorbed.Queries(next.Index) : null;
    }

    private void Sum(int task, float* scratch)
    {
        (int group, int index) = Stack.GroupOfTask(task);
        int first = Stack.FirstFrame(group);
        int frameCount = Stack.FrameCountOf(group);
        if (frameCount == 1)
        {
            ValueTask unit = Stack[first].ValueTasks[index];
            AbsorbedValues<TSimd, TVector>.Run(Stack[first].Absorbed[unit.Scope]!, unit,
                _model.Scopes[unit.Scope].HeadValues, _config, Probabilities(unit.Scope, first),
                Features + ((nint)Stack.FirstRow(first) * RowStride), RowStride, AttentionRow(group, unit.Scope),
                BranchStride, scratch);
            return;
        }

        int valueTasks = AbsorbedValues<TSimd, TVector>.TaskCount(_config, frameCount);
        if (index < _absorbedScopes.Count * valueTasks)
        {
            int scope = _absorbedScopes[index / valueTasks];
            AbsorbedValues<TSimd, TVector>.Run(Stack, group,
                AbsorbedValues<TSimd, TVector>.TaskOf(_config, frameCount, scope, index % valueTasks),
                _model.Scopes[scope].HeadValues, _config, SumsOf(first, scope), _probabilities[scope],
                CollectionsMarshal.AsSpan(_probabilityStarts[scope])[first..], Features, RowStride,
                AttentionRow(group, scope), BranchStride, scratch);
            return;
        }

        (int merged, int block) = Math.DivRem(index - (_absorbedScopes.Count * valueTasks), MergeBlocks);
        int mergedScope = _mergedScopes[merged];
        FrameMerge<TSimd, TVector>.Run(Stack, group, mergedScope, block * FrameMerge<TSimd, TVector>.QueryCount,
            SumsOf(first, mergedScope), PartialRow(first, mergedScope), RowStride, _config,
            AttentionRow(group, mergedScope), BranchStride);
    }

    private void Fuse(int task, float* scratch)
    {
        int row = task * FusionGate<TSimd, TVector>.RowCount;
        int rows = Math.Min(FusionGate<TSimd, TVector>.RowCount, (Stack.GroupCount * QueryCount) - row);
        float* weights = _gateWeights is null ? null
            : _gateWeights + ((nint)row * _config.Scopes.Count * _config.GateGroupCount);
        FusionGate<TSimd, TVector>.Run(_model, _branches + ((nint)row * BranchStride), BranchStride, rows,
            _fused + ((nint)row * RowStride), RowStride, weights, scratch);
    }

    /// <summary>Checks the tokens of a task for NaN and infinity while they are in the cache.</summary>
    private void CheckTokens(int task)
    {
        (int firstRow, int rowCount, int firstColumn, int columnCount) = _tokenGemm.ResultOf(task);
        for (int row = firstRow; row < firstRow + rowCount; row++)
        {
            float* token = _tokens + ((nint)row * _config.OutputSize) + firstColumn;
            if (VectorMath<TSimd, TVector>.AreFinite(token, columnCount))
                continue;
            int group = row / QueryCount;
            for (int seen = _overflowedGroup; group < seen;)
                seen = Interlocked.CompareExchange(ref _overflowedGroup, group, seen) is var found && found == seen
                    ? group : found;
            return;
        }
    }

    private float* Probabilities(int scope, int frame)
        => _probabilities[scope] + _probabilityStarts[scope][frame];

    /// <summary>The sums of the softmax of a frame of a group of several frames, [M, A].</summary>
    private FrameSum* SumsOf(int frame, int scope)
        => _frameSums[scope] + ((nint)Stack.PartialOf(frame) * QueryCount * _config.AttentionHeadCount);

    /// <summary>The output of attention on a frame of a group of several frames, [M, D].</summary>
    private float* PartialRow(int frame, int scope)
        => _partials[scope] + ((nint)Stack.PartialOf(frame) * QueryCount * RowStride);

    /// <summary>The output of attention of a group, [M, S·D], at channel 0 of a scope.</summary>
    private float* AttentionRow(int group, int scope)
        => _attention + ((nint)group * QueryCount * BranchStride) + ((nint)scope * _config.HiddenSize);
}
