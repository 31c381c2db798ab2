using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Training.Attention;
using MsResampler.Training.Products;

namespace MsResampler.Training.Passes;

/// <summary>Keys, values and attention of all scopes, up to the concatenated heads.</summary>
/// <remarks>The backward pass runs scope by scope, so that the gradients of keys and values need memory only once.
/// Scopes that share keys and values add to the same gradients in order.</remarks>
internal sealed unsafe class AttentionStage<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Geometries of a scope that are kept. When there are more, all are computed again.</summary>
    private const int MaxGeometryCount = 256;

    private readonly PassContext _context;
    private readonly ModelParts _parts;
    private readonly InputStage<TSimd, TVector> _input;
    private readonly QueryStage<TSimd, TVector> _queries;
    private readonly ScopeAttention<TSimd, TVector>[] _attention;
    private readonly Dictionary<PatchGrid, FrameGeometry>[] _known;
    private readonly FrameGeometry[][] _geometries;
    private readonly AbsorbedScope<TSimd, TVector>[] _absorbed;
    private readonly bool[] _isAbsorbed;
    private readonly Rows[] _keys;
    private readonly Rows[] _values;
    private readonly Rows[] _maxima;
    private readonly Rows[] _totals;
    private HeadFrame[][] _frames = [];
    private Rows _keyGradients;
    private Rows _valueGradients;
    private Rows _sigmaGradients;
    private Rows _tableKeyGradients;

    public AttentionStage(PassContext context, InputStage<TSimd, TVector> input, QueryStage<TSimd, TVector> queries)
    {
        _context = context;
        _parts = context.Parts;
        _input = input;
        _queries = queries;
        _attention = [.. Config.Scopes.Select(scope => new ScopeAttention<TSimd, TVector>(scope, Config))];
        _known = [.. Config.Scopes.Select(_ => new Dictionary<PatchGrid, FrameGeometry>())];
        _geometries = new FrameGeometry[ScopeCount][];
        _absorbed = [.. Enumerable.Range(0, ScopeCount)
            .Select(scope => new AbsorbedScope<TSimd, TVector>(context, scope, input, queries))];
        _isAbsorbed = new bool[ScopeCount];
        _keys = new Rows[ScopeCount];
        _values = new Rows[ScopeCount];
        _maxima = new Rows[ScopeCount];
        _totals = new Rows[ScopeCount];
    }

    /// <summary>The concatenated heads of all scopes, [tokens, S·D].</summary>
    public Rows Heads { get; private set; }

    /// <summary>The gradient of <see cref="Heads"/>, which the next stage writes.</summary>
    public Rows HeadGradients { get; private set; }

    private ResamplerConfig Config => _parts.Config;

    private int ScopeCount => Config.Scopes.Count;

    private int HeadCount => Config.AttentionHeadCount;

    private int UnitCount => _context.Batch.GroupCount * HeadCount;

    /// <summary>Finds the geometries of the batch.</summary>
    /// <returns>Floats of scratch memory that a thread needs.</returns>
    public int Prepare()
    {
        int scratch = 0;
        for (int scope = 0; scope < ScopeCount; scope++)
        {
            if (_known[scope].Count > MaxGeometryCount)
                _known[scope].Clear();
            _geometries[scope] = [.. _context.Batch.DistinctGrids.Select(grid =>
            {
                if (!_known[scope].TryGetValue(grid, out FrameGeometry? geometry))
                {
                    geometry = _attention[scope].CreateGeometry(grid);
                    _known[scope].Add(grid, geometry);
                }

                return geometry;
            })];
            _isAbsorbed[scope] = IsAbsorbed(scope);
            if (_isAbsorbed[scope])
                scratch = Math.Max(scratch, _absorbed[scope].Prepare(_geometries[scope]));
            foreach (FrameGeometry geometry in _geometries[scope])
                scratch = Math.Max(scratch, _attention[scope].ScratchCount(geometry));
        }

        _frames = new HeadFrame[_context.ThreadCount][];
        for (int worker = 0; worker < _frames.Length; worker++)
            _frames[worker] = new HeadFrame[_context.Batch.MaxFrameCount];
        return scratch;
    }

    /// <summary>Takes the memory of the forward pass.</summary>
    public void Place(ref PassMemory memory)
    {
        for (int scope = 0; scope < ScopeCount; scope++)
        {
            if (_isAbsorbed[scope])
            {
                _absorbed[scope].Place(ref memory);
                continue;
            }

            bool isOwner = _parts.OwnerOf(scope) == scope;
            _keys[scope] = isOwner ? Rows.Take(ref memory, _context.RowCount, _context.Width) : _keys[0];
            _values[scope] = isOwner ? Rows.Take(ref memory, _context.RowCount, _context.Width) : _values[0];
            _maxima[scope] = Rows.Take(ref memory, UnitCount, _context.QueryCount);
            _totals[scope] = Rows.Take(ref memory, UnitCount, _context.QueryCount);
        }

        Heads = Rows.Take(ref memory, _context.TokenCount, checked(ScopeCount * _context.Width));
    }

    /// <summary>Takes the memory of the backward pass.</summary>
    public void PlaceBackward(ref PassMemory memory, GradientNeeds needs)
    {
        IEnumerable<int> scopes = Enumerable.Range(0, ScopeCount);
        if (scopes.Any(needs.Attention))
            HeadGradients = Rows.Take(ref memory, _context.TokenCount, checked(ScopeCount * _context.Width));
        for (int scope = 0; scope < ScopeCount; scope++)
            if (_isAbsorbed[scope])
                _absorbed[scope].PlaceBackward(ref memory, needs);
        scopes = scopes.Where(scope => !_isAbsorbed[scope]);
        if (scopes.Any(needs.Keys))
            _keyGradients = Rows.Take(ref memory, _context.RowCount, _context.Width);
        if (scopes.Any(needs.Values))
            _valueGradients = Rows.Take(ref memory, _context.RowCount, _context.Width);
        if (scopes.Any(needs.Sigma))
            _sigmaGradients = Rows.Take(ref memory, _context.Batch.GroupCount, 2 * HeadCount);
        if (needs.KeyPositions)
            _tableKeyGradients = Rows.Take(ref memory, _context.QueryCount, _context.Width);
    }

    /// <summary>Adds the phases of the forward pass.</summary>
    public void AddForward(PhaseList phases)
    {
        ProductPhase<TSimd, TVector> products = new(_context);
        for (int scope = 0; scope < ScopeCount; scope++)
        {
            if (_isAbsorbed[scope] || _parts.OwnerOf(scope) != scope)
                continue;
            products.Linear(_input.Keys, _context.RowCount, _parts.Scopes[scope].KeyProjection, _keys[scope]);
            products.Linear(_input.Values, _context.RowCount, _parts.Scopes[scope].ValueProjection, _values[scope]);
        }

        products.AddTo(phases, "KeysAndValues");
        // The widest scopes, which take longest, are last in the model and first here.
        int[] projected = [.. Enumerable.Range(0, ScopeCount).Where(scope => !_isAbsorbed[scope]).Reverse()];
        phases.Add("Attention", projected.Length * UnitCount, (task, worker) =>
        {
            (int index, int unit) = Math.DivRem(task, UnitCount);
            int scope = projected[index];
            (int group, int head) = Math.DivRem(unit, HeadCount);
            _attention[scope].Forward(GroupOf(scope, group, head), FramesOf(scope, group, head, worker, needs: null),
                _context.ScratchOf(worker), _context.CancellationToken);
        });
        for (int scope = 0; scope < ScopeCount; scope++)
            if (_isAbsorbed[scope])
                _absorbed[scope].AddForward(phases, Heads.From(scope * _context.Width));
    }

    /// <summary>Adds the phases from the gradients of the heads to those of the projections and of Z.</summary>
    public void AddBackward(PhaseList phases, GradientNeeds needs)
    {
        for (int scope = 0; scope < ScopeCount; scope++)
        {
            if (!needs.Attention(scope))
                continue;
            if (_isAbsorbed[scope])
                _absorbed[scope].AddBackward(phases, needs, HeadGradients.From(scope * _context.Width),
                    adds: scope > 0);
            else
                AddBackward(phases, needs, scope);
        }
    }

    /// <summary>Whether the keys and values of a scope are absorbed, see
    /// <see cref="AbsorbedScope{TSimd, TVector}"/>: if that takes less time, in images whose scopes share no keys and
    /// values. A stored table needs the gradients of the keys.</summary>
    private bool IsAbsorbed(int scope)
    {
        if (Config.Scopes[scope].Window is null || (Config.ShareKeyValues && ScopeCount > 1)
            || _context.Batch.MaxFrameCount > 1
            || Config.PositionEmbedding.Keys == PositionEmbeddingType.Stored)
            return false;
        if (_context.Absorbs is { } fixedChoice)
            return fixedChoice;
        // Multiply-adds of the two passes. Three products project keys, and three project values. In place of them six
        // products have the patches of the windows; two of them with heads in whole vectors. Their tiles are small, and
        // reach 0.6 of the speed of a large product.
        const double Efficiency = 0.6;
        double width = _context.Width;
        double pairs = 0;
        for (int group = 0; group < _context.Batch.GroupCount; group++)
            pairs += _geometries[scope][_context.Batch.GridOf(group)].Windows.PairCount;
        int lanes = WindowProducts<TSimd, TVector>.LaneCount(HeadCount);
        double absorbed = (3 * _context.TokenCount * width * width)
            + (((2 * lanes) + (4 * HeadCount)) * pairs * width / Efficiency);
        return absorbed < 6 * _context.RowCount * width * width;
    }

    private void AddBackward(PhaseList phases, GradientNeeds needs, int scope)
    {
        bool isFirst = _parts.OwnerOf(scope) == scope;
        bool isLast = _parts.LastUserOf(scope) == scope;
        ScopeLayers layers = _parts.Scopes[scope];
        phases.Add("AttentionGradient", UnitCount, (unit, worker) =>
        {
            (int group, int head) = Math.DivRem(unit, HeadCount);
            if (isFirst)
                ClearGradients(needs, scope, group, head);
            HeadGroup operands = GroupOf(scope, group, head) with
            {
                OutputGradients = (nint)HeadGradients.From(ChannelOf(scope, head))[group * _context.QueryCount],
                SigmaGradients = needs.Sigma(scope) ? (nint)_sigmaGradients.From(2 * head)[group] : 0,
            };
            _attention[scope].Backward(operands, FramesOf(scope, group, head, worker, needs),
                _context.ScratchOf(worker), _context.CancellationToken);
        });
        _queries.AddSums(phases, needs, scope);
        if (needs.KeyPositions && isLast)
            phases.Add("KeyPositionSums", ColumnSums<TSimd, TVector>.TaskCount(_context.Width),
                (task, _) => SumOverPatches(task));

        ProductPhase<TSimd, TVector> products = new(_context);
        _queries.AddProducts(products, needs, scope);
        if (layers.LogSigma is { } logSigma && needs.Sigma(scope))
            products.Sum(_sigmaGradients, _context.Batch.GroupCount, logSigma);
        if (needs.Keys(scope) && isLast)
            AddKeyProducts(products, needs, scope);
        products.AddTo(phases, "KeyGradient");
        if (!needs.Values(scope) || !isLast)
            return;
        ProductPhase<TSimd, TVector> valueProducts = new(_context);
        valueProducts.Gradients(_valueGradients, _context.RowCount, _input.Values, layers.ValueProjection);
        if (needs.Input)
            valueProducts.InputGradient(_valueGradients, _context.RowCount, layers.ValueProjection, _input.Gradient,
                adds: true);
        valueProducts.AddTo(phases, "ValueGradient");
    }

    private void AddKeyProducts(ProductPhase<TSimd, TVector> products, GradientNeeds needs, int scope)
    {
        LinearLayer layer = _parts.Scopes[scope].KeyProjection;
        // The bias adds the same to every logit of a query, which the softmax removes: its gradient is exactly 0. A
        // rounding error in its place would become a whole step of an optimiser that divides by the gradient's size.
        // Only between frames of different grids, whose queries differ, does the bias have an effect.
        bool hasEffect = _context.Batch.IsUneven && _parts.HaveQueriesAnchors;
        products.Gradients(_keyGradients, _context.RowCount, _input.Keys, layer, withBias: hasEffect);
        if (needs.KeyPositions)
            products.InputGradient(_tableKeyGradients, _context.QueryCount, layer, _parts.Positions!);
        if (needs.Input)
            products.InputGradient(_keyGradients, _context.RowCount, layer, _input.Gradient,
                adds: _parts.OwnerOf(scope) > 0);
    }

    private HeadGroup GroupOf(int scope, int group, int head)
    {
        int unit = (group * HeadCount) + head;
        return new HeadGroup((nint)Heads.From(ChannelOf(scope, head))[group * _context.QueryCount], Heads.Stride,
            (nint)_maxima[scope][unit], (nint)_totals[scope][unit])
        {
            LogSigma = _parts.Scopes[scope].LogSigma is { } logSigma ? (nint)(logSigma.Pointer + (2 * head)) : 0,
        };
    }

    private ReadOnlySpan<HeadFrame> FramesOf(int scope, int group, int head, int worker, GradientNeeds? needs)
    {
        BatchLayout batch = _context.Batch;
        int channel = head * Config.HeadSize;
        int firstFrame = batch.FirstFrame(group);
        int count = batch.FirstFrame(group + 1) - firstFrame;
        for (int index = 0; index < count; index++)
        {
            int frame = firstFrame + index;
            int row = batch.FirstRow(frame);
            Rows queries = _queries.Of(scope, frame).From(channel);
            Rows keys = _keys[scope].From(channel);
            _frames[worker][index] = new HeadFrame(_geometries[scope][batch.GridOf(frame)], (nint)queries.Start,
                queries.Stride, (nint)keys[row], (nint)_values[scope].From(channel)[row], keys.Stride)
            {
                QueryGradients = needs is not null && needs.Queries(scope)
                    ? (nint)_queries.GradientsOf(frame).From(channel).Start : 0,
                KeyGradients = needs is not null && needs.Keys(scope)
                    ? (nint)_keyGradients.From(channel)[row] : 0,
                ValueGradients = needs is not null && needs.Values(scope)
                    ? (nint)_valueGradients.From(channel)[row] : 0,
            };
        }

        return _frames[worker].AsSpan(0, count);
    }

    private int ChannelOf(int scope, int head) => (scope * _context.Width) + (head * Config.HeadSize);

    private void ClearGradients(GradientNeeds needs, int scope, int group, int head)
    {
        BatchLayout batch = _context.Batch;
        int end = batch.FirstRow(batch.FirstFrame(group + 1));
        for (int row = batch.FirstRow(batch.FirstFrame(group)); row < end; row++)
        {
            if (needs.Keys(scope))
                new Span<float>(_keyGradients.From(head * Config.HeadSize)[row], Config.HeadSize).Clear();
            if (needs.Values(scope))
                new Span<float>(_valueGradients.From(head * Config.HeadSize)[row], Config.HeadSize).Clear();
        }
    }

    /// <summary>The transpose of the resizing of a stored table, applied to the gradients of the keys. The projection
    /// follows on the M rows of the result in place of the N rows of every frame.</summary>
    private void SumOverPatches(int task)
    {
        int first = task * ColumnSums<TSimd, TVector>.TaskColumns;
        int count = Math.Min(ColumnSums<TSimd, TVector>.TaskColumns, _context.Width - first);
        Rows sums = _tableKeyGradients.From(first);
        for (int query = 0; query < _context.QueryCount; query++)
            new Span<float>(sums[query], count).Clear();
        BatchLayout batch = _context.Batch;
        for (int frame = 0; frame < batch.FrameCount; frame++)
            TableGradient.Add(_keyGradients.From(first).After(batch.FirstRow(frame)), batch.Grids[frame], count, sums,
                Config.QueryGrid);
    }
}
