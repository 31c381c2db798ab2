using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The workspace and the stages of one call. The stages process a stack of images and groups of frames whose
/// plans use the same strategies; their rows are stacked, so that each weight is read once for all of them.</summary>
/// <remarks>
/// The arithmetic of an element depends only on the plan of its image or group, not on the position of its row or on
/// the thread that computes it. Tokens are therefore bit-identical in any batch.
/// <para>With integer products, the stage that makes a row also rounds it to integers, except for rows of which a task
/// makes only a part: features, projected keys and values, the output of attention and the branches have stages of
/// their own for that.</para>
/// <para>Intermediate results share one block of memory, sized for the largest stack so far. Let Z be the rows of
/// features (twice if keys have positions) and their integers, P the projected keys and values and their integers, W
/// the attention weights of absorbed scopes, the partial rows and the scratch memory of the threads, and B one row of
/// S·D floats per query. Attention uses Z + P + W + B, the branch outputs use 2·B, and the block holds Z + P + W + 2·B:
/// at most 1.5 times the larger of the two. <see cref="WorkspaceSize"/> decides how much the block grows.</para>
/// </remarks>
internal sealed unsafe class ForwardPass<TSimd, TVector> : IPhasedWork
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Rows of a task that normalises rows or rounds them to integers.</summary>
    private const int BlockRows = 16;

    private readonly ModelOperands<TSimd, TVector> _model;
    private readonly WorkspaceSize _size;
    private readonly ResamplerConfig _config;
    private readonly int _threadCount;
    private readonly AttentionStage<TSimd, TVector> _attention;
    private readonly IntegerActivations<TSimd, TVector> _integers;
    private readonly GemmList<TSimd, TVector> _inputGemm = new();
    private readonly GemmList<TSimd, TVector> _keyValueGemm = new();
    private readonly GemmList<TSimd, TVector> _outputGemm = new();
    private readonly GemmList<TSimd, TVector> _gateGemm = new();
    private readonly GemmList<TSimd, TVector> _tokenGemm = new();
    private AlignedBuffer _workspace = new(0);
    private float* _positioned;
    private float* _attended;
    private float* _branches;
    private float* _hidden;
    private float* _fused;
    private float* _scratch;
    private float* _times;
    private float* _input;
    private float* _gateWeights;
    private float* _tokens;
    private int _overflowedGroup;
    private int _scratchStride;

    public ForwardPass(ModelOperands<TSimd, TVector> model, int threadCount, WorkspaceSize size)
    {
        _model = model;
        _size = size;
        _config = model.Config;
        _threadCount = threadCount;
        RowStride = RowStrideOf(_config.HiddenSize);
        BranchStride = RowStrideOf(checked(_config.Scopes.Count * _config.HiddenSize));
        HiddenStride = _config.Gate is { } gate ? RowStrideOf(gate.HiddenSize) : 0;
        _attention = new AttentionStage<TSimd, TVector>(model, Stack, threadCount, RowStride, BranchStride);
        _integers = new IntegerActivations<TSimd, TVector>(model);
    }

    /// <summary>The stages in the order of their execution; each is a phase of the work.</summary>
    private enum Stage
    {
        InputIntegers,
        Input,
        Norm,
        KeysAndValues,
        HeadIntegers,
        Attention,
        Sums,
        OutputIntegers,
        Outputs,
        GateIntegers,
        GateHidden,
        Gate,
        Tokens,
    }

    public int PhaseCount => (int)Stage.Tokens + 1;

    /// <summary>Floats between rows of buffers [·, D].</summary>
    public int RowStride { get; }

    /// <summary>The groups that are computed together.</summary>
    public FrameStack Stack { get; } = new();

    private int BranchStride { get; }

    private int HiddenStride { get; }

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

    private int TokenRowCount => Stack.GroupCount * QueryCount;

    /// <summary>The stride for rows of <paramref name="width"/> floats: a multiple of 16 floats, but not of 4 KiB, so
    /// that the elements of a column do not all map to the same set of the first-level cache.</summary>
    public static int RowStrideOf(int width) => ((width + 15) & ~15) + 16;

    /// <summary>Prepares to compute <see cref="Stack"/>.</summary>
    /// <param name="input">The features of the stack, [rows, C]. They must not move until the work is done.</param>
    /// <param name="tokens">Receives the tokens of the stack, [groups·M, L].</param>
    /// <param name="gateWeights">Receives the gate weights, [groups·M, S·R]; may be null.</param>
    public void Prepare(float* input, float* tokens, float* gateWeights)
    {
        _attention.Prepare();
        _input = input;
        _gateWeights = gateWeights;
        _tokens = tokens;
        _overflowedGroup = int.MaxValue;
        Reserve();

        int width = _config.HiddenSize;
        _inputGemm.Start(RowCount);
        if (_model.KeyValueInput is { } inputWeight)
            _inputGemm.Add(input, _config.VisionHiddenSize, _integers.Input, inputWeight, Features, RowStride);
        _inputGemm.Cut(_threadCount);
        _keyValueGemm.Start(RowCount);
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
        {
            if (_attention.Owner(scope) != scope)
                continue;
            if (_attention.IsKeyProjected(scope))
                _keyValueGemm.Add(KeyFeatures, RowStride, _integers.Keys, _model.Scopes[scope].Keys,
                    _attention.Keys(scope), _attention.Heads);
            if (_attention.IsValueProjected(scope))
                _keyValueGemm.Add(Features, RowStride, _integers.Values, _model.Scopes[scope].Values,
                    _attention.Values(scope), _attention.Heads);
        }

        _keyValueGemm.Cut(_threadCount);
        _outputGemm.Start(TokenRowCount);
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
            _outputGemm.Add(_attended + ((nint)scope * width), BranchStride, _integers.Outputs(scope),
                _model.Scopes[scope].Output, _branches + ((nint)scope * width), BranchStride);
        _outputGemm.Cut(_threadCount);
        _gateGemm.Start(TokenRowCount);
        if (_model.GateHidden is { } hiddenWeight)
            _gateGemm.Add(_branches, BranchStride, _integers.Branches, hiddenWeight, _hidden, HiddenStride);
        _gateGemm.Cut(_threadCount);
        _tokenGemm.Start(TokenRowCount);
        _tokenGemm.Add(_fused, RowStride, _integers.Fused, _model.Projection, tokens, _config.OutputSize);
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
        Stage.InputIntegers => _integers.HasInput ? Blocks(RowCount) : 0,
        Stage.Norm => Blocks(RowCount),
        Stage.Input => _inputGemm.TaskCount + (HasTimes ? Stack.FrameCount : 0),
        Stage.HeadIntegers => _attention.RoundTaskCount,
        Stage.Attention => Stack.TaskCount,
        Stage.Sums => Stack.SumTaskCount,
        Stage.OutputIntegers => _integers.HasOutputs ? Blocks(TokenRowCount) : 0,
        Stage.GateIntegers => _integers.HasBranches ? Blocks(TokenRowCount) : 0,
        Stage.Gate => (TokenRowCount + FusionGate<TSimd, TVector>.RowCount - 1)
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
            case Stage.InputIntegers:
                for (int row = task * BlockRows; row < Math.Min((task + 1) * BlockRows, RowCount); row++)
                    _integers.RoundInput(_input + ((nint)row * _config.VisionHiddenSize), row);
                break;
            case Stage.Input when task >= _inputGemm.TaskCount:
                EmbedTime(task - _inputGemm.TaskCount);
                break;
            case Stage.Norm:
                Normalise(task);
                break;
            case Stage.HeadIntegers:
                _attention.Round(task);
                break;
            case Stage.Attention:
                _attention.Attend(task, scratch);
                break;
            case Stage.Sums:
                _attention.Sum(task, scratch);
                break;
            case Stage.OutputIntegers:
                for (int row = task * BlockRows; row < Math.Min((task + 1) * BlockRows, TokenRowCount); row++)
                    _integers.RoundOutputs(_attended + ((nint)row * BranchStride), row);
                break;
            case Stage.GateIntegers:
                for (int row = task * BlockRows; row < Math.Min((task + 1) * BlockRows, TokenRowCount); row++)
                    _integers.RoundBranches(_branches + ((nint)row * BranchStride), row);
                break;
            case Stage.Gate:
                Fuse(task, scratch);
                break;
            case Stage products:
                ProductsOf(products).Execute(task, worker, scratch);
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
        Stage.GateHidden => _gateGemm,
        _ => _tokenGemm,
    };

    private static int Blocks(int rows) => (rows + BlockRows - 1) / BlockRows;

    private void Reserve()
    {
        int scratch = Math.Max(_attention.ScratchCount, FusionGate<TSimd, TVector>.ScratchCount(_config));
        scratch = Math.Max(scratch, _model.ScratchCount);
        // One cache line of padding, so that two workers never write to the same line.
        _scratchStride = ((scratch + 15) & ~15) + 16;
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
        PassMemory memory = new(start);
        long rows = ((long)RowCount * RowStride) + MicroKernel<TSimd, TVector>.PanelWidth;
        Features = memory.Take(rows);
        if (HasKeyPositions)
            _positioned = memory.Take(rows);
        _attention.Place(ref memory);
        _integers.Place(ref memory, RowCount, TokenRowCount, _attention, HasKeyPositions);
        _times = memory.Take(HasTimes ? (long)Stack.PartialCount * RowStride : 0);
        _scratch = memory.Take((long)_threadCount * _scratchStride);
        long branchCount = (long)TokenRowCount * BranchStride;
        // The gate runs after the branch outputs, when the output of attention is no longer needed.
        _attended = memory.Take(Math.Max(branchCount, (long)TokenRowCount * (RowStride + HiddenStride)));
        _branches = memory.Take(branchCount);
        _fused = _attended;
        _hidden = _fused + ((nint)TokenRowCount * RowStride);
        _attention.Features = Features;
        _attention.KeyFeatures = KeyFeatures;
        _attention.Output = _attended;
        return memory.Count;
    }

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
        int end = Math.Min((task + 1) * BlockRows, RowCount);
        int frame = Stack.FrameOfRow(task * BlockRows);
        for (int row = task * BlockRows; row < end; row++)
        {
            while (row >= Stack.FirstRow(frame + 1))
                frame++;
            float* target = Features + ((nint)row * RowStride);
            float* source = _model.KeyValueInput is null ? _input + ((nint)row * _config.VisionHiddenSize) : target;
            _model.KeyValueNorm.Apply(source, target);
            if (HasKeyPositions)
                AddPositions(row, frame, target);
            _integers.RoundNormal(target, KeyFeatures + ((nint)row * RowStride), row);
        }
    }

    /// <summary>Writes the input of the key projections: a row of Z plus the positions of its patch and
    /// frame.</summary>
    private void AddPositions(int row, int frame, float* source)
    {
        ReadOnlySpan<float> normal = new(source, _config.HiddenSize);
        Span<float> positioned = new(_positioned + ((nint)row * RowStride), _config.HiddenSize);
        if (Stack[frame].Positions is { } positions)
            positions.AddTo(normal, row - Stack.FirstRow(frame), positioned);
        else
            normal.CopyTo(positioned);
        if (HasTimes && Stack.TemporalId(frame) >= 0)
            SpanMath.Add(positioned, TimeOf(frame), positioned);
    }

    private void Fuse(int task, float* scratch)
    {
        int row = task * FusionGate<TSimd, TVector>.RowCount;
        int rows = Math.Min(FusionGate<TSimd, TVector>.RowCount, TokenRowCount - row);
        float* weights = _gateWeights is null ? null
            : _gateWeights + ((nint)row * _config.Scopes.Count * _config.GateGroupCount);
        FusionGate<TSimd, TVector>.Run(_model, _branches + ((nint)row * BranchStride), BranchStride,
            _hidden + ((nint)row * HiddenStride), HiddenStride, rows, _fused + ((nint)row * RowStride), RowStride,
            weights, scratch);
        for (int r = 0; r < rows; r++)
            _integers.RoundFused(_fused + ((nint)(row + r) * RowStride), row + r);
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
}
