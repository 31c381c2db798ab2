using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Training.Attention;
using MsResampler.Training.Products;

namespace MsResampler.Training.Passes;

/// <summary>Attention of a scope with narrow windows, whose keys and values are not projected.</summary>
/// <remarks>
/// A query of a head meets the rows of Z themselves: <c>Q·(Wk·z) = (Wkᵀ·Q)·z</c> and
/// <c>Σ p·(Wv·z) = Wv·(Σ p·z)</c>. For w patches in a window a head costs w·D per query in place of the projections of
/// all patches. The queries <c>Wkᵀ·Q</c>, [A, D] per query, do not depend on the image: Wk needs one product per batch.
/// <para>Weights of the patches in the windows are kept, w·A per query. The tasks of the forward pass and of the
/// gradients of logits are queries of an image; those of the gradients of Z are panels of columns of an image, over its
/// queries in order.</para>
/// </remarks>
internal sealed unsafe class AbsorbedScope<TSimd, TVector>(PassContext context, int scope,
    InputStage<TSimd, TVector> input, QueryStage<TSimd, TVector> queries)
    where TSimd : struct, ISimd<TVector>
{
    private const int BlockQueries = 4;

    private readonly ResamplerConfig _config = context.Parts.Config;
    private readonly int _lanes = WindowProducts<TSimd, TVector>.LaneCount(context.Parts.Config.AttentionHeadCount);
    private FrameGeometry[] _geometries = [];
    private WindowBias[] _biases = [];
    private int _maxCount;
    private Rows _keys;
    private float* _keyLanes;
    private Rows _contexts;
    private Rows _weights;
    private Rows _contextGradients;
    private Rows _logitGradients;
    private Rows _keyGradients;
    private Rows _sigmaGradients;

    private ScopeLayers Layers => context.Parts.Scopes[scope];

    private int HeadCount => _config.AttentionHeadCount;

    private int HeadSize => _config.HeadSize;

    private int Width => context.Width;

    private int BlockCount => (context.QueryCount + BlockQueries - 1) / BlockQueries;

    /// <summary>Sets the geometries of the grids of the batch.</summary>
    /// <returns>Floats of scratch memory that a thread needs.</returns>
    public int Prepare(FrameGeometry[] geometries)
    {
        _geometries = geometries;
        _biases = [.. geometries.Select(geometry => new WindowBias(_config, _config.Scopes[scope],
            geometry.Windows, Layers.LogSigma, _lanes))];
        _maxCount = geometries.Max(geometry => MaxCountOf(geometry.Windows));
        return checked((Width * _lanes) + ((_maxCount + WindowProducts<TSimd, TVector>.SpareRows) * _lanes)
            + (3 * _maxCount) + 64);
    }

    /// <summary>The largest number of patches in a window.</summary>
    public static int MaxCountOf(ScopeWindows windows)
        => windows.Rows.Max(range => range.Count) * windows.Columns.Max(range => range.Count);

    /// <summary>Takes the memory of the forward pass.</summary>
    public void Place(ref PassMemory memory)
    {
        _keys = Rows.Take(ref memory, (long)queries.GridRowCount * HeadCount, Width);
        _keyLanes = memory.Take((long)queries.GridRowCount * Width * _lanes);
        _contexts = Rows.Take(ref memory, (long)context.TokenCount * HeadCount, Width);
        _weights = Rows.Take(ref memory, context.TokenCount, checked(_maxCount * _lanes));
        foreach (WindowBias bias in _biases)
            bias.Place(ref memory);
    }

    /// <summary>Takes the memory of the backward pass.</summary>
    public void PlaceBackward(ref PassMemory memory, GradientNeeds needs)
    {
        if (!needs.Attention(scope))
            return;
        _contextGradients = Rows.Take(ref memory, (long)context.TokenCount * HeadCount, Width);
        _logitGradients = Rows.Take(ref memory, context.TokenCount, checked(_maxCount * _lanes));
        _keyGradients = Rows.Take(ref memory, (long)queries.GridRowCount * HeadCount, Width);
        _sigmaGradients = needs.Sigma(scope)
            ? Rows.Take(ref memory, context.TokenCount, checked(2 * HeadCount)) : default;
    }

    /// <summary>Adds the phases of the forward pass, after the projection of the queries.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="heads">Receives the heads of the scope, [tokens, D].</param>
    public void AddForward(PhaseList phases, Rows heads)
    {
        ProductPhase<TSimd, TVector> keys = new(context);
        for (int head = 0; head < HeadCount; head++)
            keys.Add(MatrixProduct.InputGradient(queries.ProjectedOf(scope).From(head * HeadSize).Start,
                queries.ProjectedOf(scope).Stride, queries.GridRowCount, SliceOf(Layers.KeyProjection, head), Width,
                HeadSize, _keys[head], HeadStride(_keys), adds: false));
        keys.AddTo(phases, "AbsorbedKeys");
        foreach (WindowBias bias in _biases)
            phases.Add("WindowBias", bias.TaskCount, (task, _) => bias.Fill(task));
        PassContext.AddRows(phases, "KeyLanes", queries.GridRowCount, PackKeys);
        phases.Add("AbsorbedAttention", context.Batch.GroupCount * BlockCount,
            (task, worker) => ForEachQuery(task, worker, Attend));
        ProductPhase<TSimd, TVector> values = new(context);
        for (int head = 0; head < HeadCount; head++)
            values.Add(MatrixProduct.Linear(_contexts[head], HeadStride(_contexts), context.TokenCount,
                SliceOf(Layers.ValueProjection, head), Layers.ValueProjection.Bias is { } bias
                    ? bias.Pointer + (head * HeadSize) : null, Width, HeadSize, heads.From(head * HeadSize).Start,
                heads.Stride));
        values.AddTo(phases, "AbsorbedValues");
    }

    /// <summary>Adds the phases from the gradients of the heads to those of the projections, of the projected queries
    /// and of Z.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="needs">What is needed.</param>
    /// <param name="headGradients">The gradients of the heads of the scope, [tokens, D].</param>
    /// <param name="adds">Whether the gradient of Z is added to.</param>
    public void AddBackward(PhaseList phases, GradientNeeds needs, Rows headGradients, bool adds)
    {
        int tokens = context.TokenCount;
        ProductPhase<TSimd, TVector> values = new(context);
        for (int head = 0; head < HeadCount; head++)
        {
            float* gradients = headGradients.From(head * HeadSize).Start;
            values.Add(MatrixProduct.InputGradient(gradients, headGradients.Stride, tokens,
                SliceOf(Layers.ValueProjection, head), Width, HeadSize, _contextGradients[head],
                HeadStride(_contextGradients), adds: false));
            if (!Layers.ValueProjection.Weight.IsFrozen)
                values.Add(MatrixProduct.WeightGradient(gradients, headGradients.Stride, tokens, _contexts[head],
                    HeadStride(_contexts), Width, HeadSize, SliceOfGradient(Layers.ValueProjection, head)));
        }

        if (Layers.ValueProjection.Bias is { } bias)
            values.Sum(headGradients, tokens, bias);
        values.AddTo(phases, "AbsorbedValuesGradient");
        phases.Add("AbsorbedLogitsGradient", context.Batch.GroupCount * BlockCount,
            (task, worker) => ForEachQuery(task, worker, Differentiate));
        bool needsKeys = needs.Queries(scope) || !Layers.KeyProjection.Weight.IsFrozen;
        AddSums(phases, needs.Input, needsKeys, adds);
        if (needsKeys)
            AddKeyProducts(phases, needs);
        ProductPhase<TSimd, TVector> products = new(context);
        queries.AddProducts(products, needs, scope);
        if (Layers.LogSigma is { } logSigma && needs.Sigma(scope))
            products.Sum(_sigmaGradients, tokens, logSigma);
        products.AddTo(phases, "AbsorbedQueriesGradient");
    }

    /// <summary>Floats between the rows of one head, if the rows of all heads follow one another.</summary>
    private int HeadStride(Rows rows) => checked(rows.Stride * HeadCount);

    /// <summary>The rows of a weight that belong to a head.</summary>
    private float* SliceOf(LinearLayer layer, int head) => layer.Weight.Pointer + ((nint)head * HeadSize * Width);

    private float* SliceOfGradient(LinearLayer layer, int head)
        => layer.Weight.GradientPointer + ((nint)head * HeadSize * Width);

    private void AddKeyProducts(PhaseList phases, GradientNeeds needs)
    {
        ProductPhase<TSimd, TVector> keys = new(context);
        for (int head = 0; head < HeadCount; head++)
        {
            Rows projected = queries.ProjectedOf(scope).From(head * HeadSize);
            if (needs.Queries(scope))
                keys.Add(MatrixProduct.Linear(_keyGradients[head], HeadStride(_keyGradients), queries.GridRowCount,
                    SliceOf(Layers.KeyProjection, head), null, Width, HeadSize,
                    queries.Gradients.From(head * HeadSize).Start, queries.Gradients.Stride));
            if (!Layers.KeyProjection.Weight.IsFrozen)
                keys.Add(MatrixProduct.WeightGradient(projected.Start, projected.Stride, queries.GridRowCount,
                    _keyGradients[head], HeadStride(_keyGradients), Width, HeadSize,
                    SliceOfGradient(Layers.KeyProjection, head)));
        }

        keys.AddTo(phases, "AbsorbedKeysGradient");
    }

    /// <summary>Adds the phase that sums the gradients of the absorbed queries over the images, and those of Z over the
    /// queries.</summary>
    private void AddSums(PhaseList phases, bool needsInput, bool needsKeys, bool adds)
    {
        int keyTasks = needsKeys ? queries.GridRowCount : 0;
        int panels = (Width + MicroKernel<TSimd, TVector>.PanelWidth - 1) / MicroKernel<TSimd, TVector>.PanelWidth;
        int inputTasks = needsInput ? context.Batch.GroupCount * panels : 0;
        phases.Add("AbsorbedSums", keyTasks + inputTasks, (task, worker) =>
        {
            if (task < keyTasks)
                SumOverImages(task, worker);
            else
                SumOverQueries((task - keyTasks) / panels, (task - keyTasks) % panels, worker, adds);
        });
    }

    /// <summary>Packs the absorbed queries of one query for products with heads as lanes, in base 2.</summary>
    private void PackKeys(int row)
    {
        float* target = _keyLanes + ((nint)row * Width * _lanes);
        Pack(_keys.After((long)row * HeadCount), target);
        SpanMath.Multiply(new Span<float>(target, Width * _lanes), (float)(Base2.Log2E / Math.Sqrt(HeadSize)));
    }

    private void Pack(Rows heads, float* target)
    {
        if (_lanes > HeadCount)
            new Span<float>(target, Width * _lanes).Clear();
        Transposition.Run(heads.Start, heads.Stride, HeadCount, Width, target, _lanes);
    }

    /// <summary>Finds the window of a query of an image.</summary>
    private WindowQuery WindowOf(int group, int query, int worker)
    {
        FrameGeometry geometry = _geometries[context.Batch.GridOf(group)];
        (int queryRow, int queryColumn) = Math.DivRem(query, _config.QueryGrid.Columns);
        AxisRange rows = geometry.Windows.Rows[queryRow];
        AxisRange columns = geometry.Windows.Columns[queryColumn];
        int* offsets = (int*)(context.ScratchOf(worker) + (Width * _lanes)
            + ((_maxCount + WindowProducts<TSimd, TVector>.SpareRows) * _lanes));
        int count = 0;
        for (int i = rows.Start; i < rows.End; i++)
            for (int j = columns.Start; j < columns.End; j++)
                offsets[count++] = checked(((i * geometry.Grid.Columns) + j) * input.Values.Stride);
        return new WindowQuery(context.Batch.FirstRow(group), (group * context.QueryCount) + query,
            (queries.GridOf(group) * context.QueryCount) + query, queryRow, queryColumn, columns.Count, count,
            (nint)offsets);
    }

    private void ForEachQuery(int task, int worker, Action<int, int, int> body)
    {
        (int group, int block) = Math.DivRem(task, BlockCount);
        int end = Math.Min((block + 1) * BlockQueries, context.QueryCount);
        for (int query = block * BlockQueries; query < end; query++)
            body(group, query, worker);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Attend(int group, int query, int worker)
    {
        WindowQuery window = WindowOf(group, query, worker);
        float* logits = context.ScratchOf(worker) + (Width * _lanes);
        float* weights = _weights[window.Token];
        int* offsets = (int*)window.Offsets;
        WindowProducts<TSimd, TVector>.Dots(input.Keys[window.FirstRow], offsets, window.Count, Width,
            _keyLanes + ((nint)window.KeyRow * Width * _lanes), _lanes, logits);
        WindowBias bias = _biases[context.Batch.GridOf(group)];
        for (int lane = 0; lane < _lanes; lane += TSimd.Width)
        {
            int end = (window.Count * _lanes) + lane;
            // Becomes NaN if a logit is not finite. Without this, an overflow to −∞ would be a weight of 0.
            TVector total = TSimd.Zero;
            for (int i = lane; i < end; i += _lanes)
                total = TSimd.MultiplyAdd(TSimd.Load(logits + i), TSimd.Zero, total);
            bias.AddTo<TSimd, TVector>(logits, lane, window);
            TVector best = TSimd.Load(logits + lane);
            for (int i = _lanes + lane; i < end; i += _lanes)
                best = TSimd.Max(best, TSimd.Load(logits + i));
            for (int i = lane; i < end; i += _lanes)
            {
                TVector weight = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(TSimd.Load(logits + i), best));
                TSimd.Store(weights + i, weight);
                total = TSimd.Add(total, weight);
            }

            TVector factor = TSimd.Divide(TSimd.Create(1), total);
            for (int i = lane; i < end; i += _lanes)
                TSimd.Store(weights + i, TSimd.Multiply(TSimd.Load(weights + i), factor));
        }

        WindowProducts<TSimd, TVector>.WeightedSums(weights, _lanes, HeadCount, input.Values[window.FirstRow], offsets,
            offsets + _maxCount, window.Count, Width, _contexts[(long)window.Token * HeadCount], _contexts.Stride,
            adds: false);
    }

    /// <summary>Computes the gradients of the logits of one query of an image.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Differentiate(int group, int query, int worker)
    {
        WindowQuery window = WindowOf(group, query, worker);
        float* lanes = context.ScratchOf(worker);
        float* gradients = lanes + (Width * _lanes);
        float* weights = _weights[window.Token];
        Pack(_contextGradients.After((long)window.Token * HeadCount), lanes);
        WindowProducts<TSimd, TVector>.Dots(input.Values[window.FirstRow], (int*)window.Offsets, window.Count, Width,
            lanes, _lanes, gradients);
        for (int lane = 0; lane < _lanes; lane += TSimd.Width)
        {
            int end = (window.Count * _lanes) + lane;
            TVector mean = TSimd.Zero;
            for (int i = lane; i < end; i += _lanes)
                mean = TSimd.MultiplyAdd(TSimd.Load(weights + i), TSimd.Load(gradients + i), mean);
            for (int i = lane; i < end; i += _lanes)
                TSimd.Store(gradients + i, TSimd.Multiply(TSimd.Load(weights + i),
                    TSimd.Subtract(TSimd.Load(gradients + i), mean)));
        }

        if (_sigmaGradients.Start != null)
            _biases[context.Batch.GridOf(group)].Differentiate<TSimd, TVector>(gradients, window,
                _sigmaGradients[window.Token]);
        Span<float> all = new(gradients, window.Count * _lanes);
        SpanMath.Multiply(all, (float)(1 / Math.Sqrt(HeadSize)));
        all.CopyTo(new Span<float>(_logitGradients[window.Token], all.Length));
    }

    /// <summary>Prefetches a part of the columns of the heads of the next query: the processor does not prefetch short
    /// parts of distant rows.</summary>
    private void Prefetch(Rows heads, int columns)
    {
        for (int head = 0; head < HeadCount; head++)
            for (int column = 0; column < columns; column += MicroKernel<TSimd, TVector>.LineFloats)
                TSimd.Prefetch(heads[head] + column);
    }

    private void SumOverImages(int keyRow, int worker)
    {
        (int grid, int query) = Math.DivRem(keyRow, context.QueryCount);
        bool adds = false;
        for (int group = 0; group < context.Batch.GroupCount; group++)
        {
            if (queries.GridOf(group) != grid)
                continue;
            WindowQuery window = WindowOf(group, query, worker);
            int* offsets = (int*)window.Offsets;
            WindowProducts<TSimd, TVector>.WeightedSums(_logitGradients[window.Token], _lanes, HeadCount,
                input.Keys[window.FirstRow], offsets, offsets + _maxCount, window.Count, Width,
                _keyGradients[(long)keyRow * HeadCount], _keyGradients.Stride, adds);
            adds = true;
        }
    }

    private void SumOverQueries(int group, int panel, int worker, bool adds)
    {
        int column = panel * MicroKernel<TSimd, TVector>.PanelWidth;
        int columns = Math.Min(MicroKernel<TSimd, TVector>.PanelWidth, Width - column);
        Rows sums = input.Gradient.After(context.Batch.FirstRow(group)).From(column);
        for (int row = 0; !adds && row < context.Batch.Grids[group].PatchCount; row++)
            new Span<float>(sums[row], columns).Clear();
        for (int query = 0; query < context.QueryCount; query++)
        {
            WindowQuery window = WindowOf(group, query, worker);
            if (query + 1 < context.QueryCount)
            {
                Prefetch(_contextGradients.From(column).After((long)(window.Token + 1) * HeadCount), columns);
                Prefetch(_keys.From(column).After((long)(window.KeyRow + 1) * HeadCount), columns);
            }

            WindowProducts<TSimd, TVector>.Spread(_weights[window.Token],
                _contextGradients.From(column)[(long)window.Token * HeadCount], _logitGradients[window.Token],
                _keys.From(column)[(long)window.KeyRow * HeadCount], _keys.Stride, _lanes, HeadCount, sums.Start,
                (int*)window.Offsets, window.Count, columns);
        }
    }
}
