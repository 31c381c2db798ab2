using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The workspace and the stages of one call. The stages process a group of images whose plans use the
/// same strategies; the rows of the images are stacked, so that each weight is read once for all of them.</summary>
/// <remarks>
/// The arithmetic of an element depends only on the plan of its image, not on the position of its row or on the
/// thread that computes it. Tokens are therefore bit-identical in any batch.
/// <para>Intermediate results share one block of memory, sized for the largest group so far. Let Z be the rows
/// of features (counted twice if keys have positions), P the projected keys and values of all scopes, W the
/// attention weights of absorbed scopes and the scratch memory of the threads, and B one row of S·D floats per
/// query. Attention uses Z + P + W + B, the branch outputs use 2·B, and the block holds Z + P + W + 2·B: at
/// most 1.5 times the larger of the two. <see cref="WorkspaceSize"/> decides how much the block grows.</para>
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
    private readonly int[] _probabilityStride;
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
    private GridOperands[] _grids = [];
    private int[] _firstRow = [0];
    private int _imageCount;
    private float* _input;
    private float* _gateWeights;
    private float* _tokens;
    private int _overflowedImage;
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
        _probabilityStride = new int[scopeCount];
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
        AbsorbedValues,
        Outputs,
        Gate,
        Tokens,
    }

    public int PhaseCount => (int)Stage.Tokens + 1;

    /// <summary>Floats between rows of buffers [·, D].</summary>
    public int RowStride { get; }

    /// <summary>The images of the current group. The list is reused, so that grouping allocates nothing.</summary>
    public List<GridOperands> Group { get; } = [];

    private int BranchStride { get; }

    /// <summary>The check for features that are NaN or infinite.</summary>
    public FeatureCheckWork FeatureCheck { get; } = new();

    /// <summary>Memory of the intermediate results, in bytes.</summary>
    public long WorkspaceBytes => sizeof(float) * (long)_workspace.Count;

    /// <summary>Index in the last group of the first image with NaN or infinite tokens, or −1. No stage turns
    /// NaN or infinite values into finite ones, so every overflow that a token depends on is found here.</summary>
    public int OverflowedImage => _overflowedImage == int.MaxValue ? -1 : _overflowedImage;

    /// <summary>Z of the last group, [rows, D].</summary>
    public float* Features { get; private set; }

    /// <summary>The input of the key projections, [rows, D]: Z plus positions, or Z if keys have no
    /// positions.</summary>
    public float* KeyFeatures => HasKeyPositions ? _positioned : Features;

    private bool HasKeyPositions => _config.PositionEmbedding.Keys != PositionEmbeddingType.None;

    private int RowCount => _firstRow[_imageCount];

    private int QueryCount => _config.QueryGrid.QueryCount;

    /// <summary>The stride for rows of <paramref name="width"/> floats: a multiple of 16 floats, but not of 4
    /// KiB, so that the elements of a column do not all map to the same set of the first-level cache.</summary>
    public static int RowStrideOf(int width) => ((width + 15) & ~15) + 16;

    /// <summary>Prepares to compute a group.</summary>
    /// <param name="grids">One entry per image. The plans must use the same strategies.</param>
    /// <param name="input">The features of the group, [rows, C]. They must not move until the work is done.</param>
    /// <param name="tokens">Receives the tokens of the group, [images·M, L].</param>
    /// <param name="gateWeights">Receives the gate weights, [images·M, S·R]; may be null.</param>
    public void Prepare(ReadOnlySpan<GridOperands> grids, float* input, float* tokens, float* gateWeights)
    {
        if (_grids.Length < grids.Length)
        {
            _grids = new GridOperands[grids.Length];
            _firstRow = new int[grids.Length + 1];
        }

        _imageCount = grids.Length;
        grids.CopyTo(_grids);
        for (int image = 0; image < grids.Length; image++)
            _firstRow[image + 1] = _firstRow[image] + grids[image].PatchCount;
        _input = input;
        _gateWeights = gateWeights;
        _tokens = tokens;
        _overflowedImage = int.MaxValue;
        _heads = HeadLayout.For(_config.HeadSize, RowCount);
        Reserve();

        int tokenRows = _imageCount * QueryCount;
        int width = _config.HiddenSize;
        _inputGemm.Start(RowCount);
        if (_model.KeyValueInput is { } inputWeight)
            _inputGemm.Add(input, _config.VisionHiddenSize, inputWeight, Features, RowStride);
        _inputGemm.Cut(_threadCount);
        _keyValueGemm.Start(RowCount);
        for (int scope = 0; scope < OwnerCount; scope++)
        {
            if (IsProjected(scope, areKeys: true))
                _keyValueGemm.Add(KeyFeatures, RowStride, _model.Scopes[scope].Keys, _keys[scope], _heads);
            if (IsProjected(scope, areKeys: false))
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
        _grids.AsSpan().Clear();
        Group.Clear();
        _imageCount = 0;
        _input = _gateWeights = _tokens = null;
    }

    public int TaskCount(int phase) => (Stage)phase switch
    {
        Stage.Norm => (RowCount + NormRows - 1) / NormRows,
        Stage.Attention => CountTasks(static grid => grid.Tasks.Length),
        Stage.AbsorbedValues => CountTasks(static grid => grid.ValueTasks.Length),
        Stage.Gate => ((_imageCount * QueryCount) + FusionGate<TSimd, TVector>.RowCount - 1)
            / FusionGate<TSimd, TVector>.RowCount,
        Stage products => ProductsOf(products).TaskCount,
    };

    public bool IsCancellable(int phase) => (Stage)phase != Stage.Tokens;

    public void Execute(int phase, int task, int worker)
    {
        float* scratch = _scratch + ((nint)worker * _scratchStride);
        switch ((Stage)phase)
        {
            case Stage.Norm:
                Normalise(task);
                break;
            case Stage.Attention:
                Attend(task, scratch);
                break;
            case Stage.AbsorbedValues:
                SumAbsorbedValues(task, scratch);
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

    private bool IsProjected(int scope, bool areKeys)
    {
        ScopePlan plan = _grids[0].Plan.Scopes[scope];
        return (areKeys ? plan.Keys : plan.Values) == ProjectionStrategy.Projected;
    }

    private void Reserve()
    {
        MeasureScratch();
        long count = Place(null);
        if (_workspace.Count < count)
        {
            count = _size.For(count, isGrowing: _workspace.Count > 0, isStacked: RowCount <= WorkspaceSize.GroupRows);
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
            if (IsProjected(scope, areKeys: true))
                _keys[scope] = Take(ref next, headRows);
            if (IsProjected(scope, areKeys: false))
                _values[scope] = Take(ref next, headRows);
        }

        for (int scope = 0; scope < _config.Scopes.Count; scope++)
            _probabilities[scope] = Take(ref next, (long)_imageCount * _probabilityStride[scope]);
        _scratch = Take(ref next, (long)_threadCount * _scratchStride);
        long branchCount = (long)_imageCount * QueryCount * BranchStride;
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
        _probabilityStride.AsSpan().Clear();
        for (int image = 0; image < _imageCount; image++)
        {
            for (int scope = 0; scope < _config.Scopes.Count; scope++)
            {
                if (_grids[image].Tiled[scope] is { } tiled)
                    scratch = Math.Max(scratch, ScopeAttentionTiled<TSimd, TVector>.ScratchCount(
                        tiled.MaxLaneCount, _config.HeadSize));
                if (_grids[image].Absorbed[scope] is not { } absorbed)
                    continue;
                scratch = Math.Max(scratch,
                    ScopeAttentionAbsorbed<TSimd, TVector>.ScratchCount(absorbed, _config.HeadSize));
                if (absorbed.AreValuesAbsorbed)
                {
                    scratch = Math.Max(scratch, AbsorbedValues<TSimd, TVector>.ScratchCount(absorbed));
                    _probabilityStride[scope] = Math.Max(_probabilityStride[scope],
                        QueryCount * absorbed.MaxKeyCount * absorbed.LaneCount);
                }
            }
        }

        // One cache line of padding, so that two workers never write to the same line.
        _scratchStride = ((scratch + 15) & ~15) + 16;
    }

    private int CountTasks(Func<GridOperands, int> count)
    {
        int total = 0;
        for (int image = 0; image < _imageCount; image++)
            total += count(_grids[image]);
        return total;
    }

    private void Normalise(int task)
    {
        int end = Math.Min((task + 1) * NormRows, RowCount);
        int image = 0;
        for (int row = task * NormRows; row < end; row++)
        {
            while (row >= _firstRow[image + 1])
                image++;
            float* target = Features + ((nint)row * RowStride);
            float* source = _model.KeyValueInput is null ? _input + ((nint)row * _config.VisionHiddenSize) : target;
            _model.KeyValueNorm.Apply(source, target);
            if (_grids[image].Positions is { } positions)
                positions.AddTo(new ReadOnlySpan<float>(target, _config.HiddenSize), row - _firstRow[image],
                    new Span<float>(_positioned + ((nint)row * RowStride), _config.HiddenSize));
        }
    }

    private void Attend(int task, float* scratch)
    {
        int image = 0;
        for (; task >= _grids[image].Tasks.Length; image++)
            task -= _grids[image].Tasks.Length;
        GridOperands grid = _grids[image];
        AttentionTask unit = grid.Tasks[task];
        float* output = AttentionRow(image, unit.Scope);
        nint firstRow = _firstRow[image];
        if (grid.Tiled[unit.Scope] is { } tiled)
        {
            ScopeAttentionTiled<TSimd, TVector>.Run(tiled, unit.Index, unit.Head, grid.Plan.Grid.Columns,
                _keys[Owner(unit.Scope)] + (firstRow * _heads.RowStride),
                _values[Owner(unit.Scope)] + (firstRow * _heads.RowStride), _heads, output, BranchStride,
                scratch);
            return;
        }

        AbsorbedScope absorbed = grid.Absorbed[unit.Scope]!;
        ScopeAttentionAbsorbed<TSimd, TVector>.ComputeWeights(absorbed, unit.Index, _config.HiddenSize,
            KeyFeatures + (firstRow * RowStride), RowStride, scratch, NextQueries(grid, task));
        if (absorbed.AreValuesAbsorbed)
        {
            // The weights are computed in scratch memory and copied: the last tile writes surplus rows, which
            // would overwrite the weights of another query.
            int count = absorbed.MaxKeyCount * absorbed.LaneCount;
            new ReadOnlySpan<float>(scratch, count).CopyTo(
                new Span<float>(Probabilities(unit.Scope, image) + ((nint)unit.Index * count), count));
            return;
        }

        ScopeAttentionAbsorbed<TSimd, TVector>.SumValues(absorbed, unit.Index, _config.AttentionHeadCount,
            _values[Owner(unit.Scope)] + (firstRow * _heads.RowStride), _heads,
            output + ((nint)unit.Index * BranchStride), scratch);
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

    private void SumAbsorbedValues(int task, float* scratch)
    {
        int image = 0;
        for (; task >= _grids[image].ValueTasks.Length; image++)
            task -= _grids[image].ValueTasks.Length;
        ValueTask unit = _grids[image].ValueTasks[task];
        AbsorbedScope absorbed = _grids[image].Absorbed[unit.Scope]!;
        AbsorbedValues<TSimd, TVector>.Run(absorbed, unit, _model.Scopes[unit.Scope].HeadValues, _config,
            Probabilities(unit.Scope, image), Features + ((nint)_firstRow[image] * RowStride), RowStride,
            AttentionRow(image, unit.Scope), BranchStride, scratch);
    }

    private void Fuse(int task, float* scratch)
    {
        int row = task * FusionGate<TSimd, TVector>.RowCount;
        int rows = Math.Min(FusionGate<TSimd, TVector>.RowCount, (_imageCount * QueryCount) - row);
        float* weights = _gateWeights is null ? null
            : _gateWeights + ((nint)row * _config.Scopes.Count * _config.GateGroupCount);
        FusionGate<TSimd, TVector>.Run(_model, _branches + ((nint)row * BranchStride), BranchStride, rows,
            _fused + ((nint)row * RowStride), RowStride, weights, scratch);
    }

    /// <summary>Checks the tokens of a task for NaN and infinity while they are in the cache.</summary>
    private void CheckTokens(int task)
    {
        (int firstRow, int rowCount, int firstColumn, int columnCount) = _tokenGemm.ResultOf(task);
        int vectorEnd = columnCount - (columnCount % TSimd.Width);
        for (int row = firstRow; row < firstRow + rowCount; row++)
        {
            float* token = _tokens + ((nint)row * _config.OutputSize) + firstColumn;
            // 0 times a finite value is 0; 0 times NaN or infinity is NaN.
            TVector sum = TSimd.Zero;
            float rest = 0;
            for (int column = 0; column < vectorEnd; column += TSimd.Width)
                sum = TSimd.MultiplyAdd(TSimd.Load(token + column), TSimd.Zero, sum);
            for (int column = vectorEnd; column < columnCount; column++)
                rest += token[column] * 0;
            if (TSimd.Sum(sum) + rest == 0)
                continue;
            int image = row / QueryCount;
            for (int seen = _overflowedImage; image < seen;)
                seen = Interlocked.CompareExchange(ref _overflowedImage, image, seen) is var found && found == seen
                    ? image : found;
            return;
        }
    }

    private float* Probabilities(int scope, int image)
        => _probabilities[scope] + ((nint)image * _probabilityStride[scope]);

    private float* AttentionRow(int image, int scope)
        => _attention + ((nint)image * QueryCount * BranchStride) + ((nint)scope * _config.HiddenSize);
}
