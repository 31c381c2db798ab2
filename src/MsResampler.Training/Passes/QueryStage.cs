using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Passes;

/// <summary>From the learned queries to the projected queries of each scope. They do not depend on the features. If
/// queries add the position of their anchor, they differ between patch grids.</summary>
internal sealed unsafe class QueryStage<TSimd, TVector>(PassContext context)
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Tables of anchor positions that are kept. When there are more, all are computed again.</summary>
    private const int MaxTableCount = 64;

    private readonly ModelParts _parts = context.Parts;
    private readonly ResamplerConfig _config = context.Parts.Config;
    private readonly Dictionary<PatchGrid, float[]> _anchors = [];
    private readonly Rows[] _projected = new Rows[context.Parts.Scopes.Count];
    private Rows _normal;
    private float* _scales;
    private Rows _values;
    private Rows _inputs;
    private Rows _frameGradients;
    private Rows _inputGradients;
    private Rows _valueGradients;

    /// <summary>The number of grids for which queries differ.</summary>
    private int GridCount => _parts.HaveQueriesAnchors ? context.Batch.DistinctGrids.Count : 1;

    private bool HavePositions => _config.PositionEmbedding.Queries != PositionEmbeddingType.None;

    /// <summary>Rows of one set of queries on all grids.</summary>
    public int GridRowCount => GridCount * context.QueryCount;

    /// <summary>Rows of all sets of queries.</summary>
    private int SetRowCount => _parts.QuerySetCount * context.QueryCount;

    /// <summary>The gradients of the projected queries of one scope on all grids, [grids·M, D].</summary>
    public Rows Gradients { get; private set; }

    /// <summary>The projected queries of a scope on all grids, [grids·M, D].</summary>
    public Rows ProjectedOf(int scope) => _projected[scope];

    /// <summary>The projected queries of a scope on the grid of a frame, [M, D].</summary>
    public Rows Of(int scope, int frame) => _projected[scope].After((long)GridOf(frame) * context.QueryCount);

    /// <summary>Receives the gradients of the projected queries of one scope on the grid of a frame, [M, D].</summary>
    public Rows GradientsOf(int frame) => _frameGradients.After((long)frame * context.QueryCount);

    /// <summary>Takes the memory of the forward pass.</summary>
    public void Place(ref PassMemory memory)
    {
        _normal = Rows.Take(ref memory, SetRowCount, context.Width);
        _scales = memory.Take(SetRowCount);
        _values = Rows.Take(ref memory, SetRowCount, context.Width);
        _inputs = HavePositions
            ? Rows.Take(ref memory, (long)_parts.QuerySetCount * GridRowCount, context.Width) : _values;
        for (int scope = 0; scope < _projected.Length; scope++)
            _projected[scope] = Rows.Take(ref memory, GridRowCount, context.Width);
    }

    /// <summary>Takes the memory of the backward pass.</summary>
    public void PlaceBackward(ref PassMemory memory, GradientNeeds needs)
    {
        if (!Enumerable.Range(0, _projected.Length).Any(needs.Queries))
            return;
        _frameGradients = Rows.Take(ref memory, (long)context.Batch.FrameCount * context.QueryCount, context.Width);
        Gradients = Rows.Take(ref memory, GridRowCount, context.Width);
        _inputGradients = Rows.Take(ref memory, (long)_parts.QuerySetCount * GridRowCount, context.Width);
        _valueGradients = GridCount == 1 ? _inputGradients : Rows.Take(ref memory, SetRowCount, context.Width);
    }

    /// <summary>Adds the phases of the forward pass.</summary>
    public void AddForward(PhaseList phases)
    {
        int queries = context.QueryCount;
        PassContext.AddRows(phases, "QueryNorm", SetRowCount, row =>
        {
            TrainableTensor learned = _parts.Scopes[row / queries].Queries;
            _scales[row] = RowNorm<TSimd, TVector>.Normalise(learned.Pointer + ((nint)(row % queries) * context.Width),
                context.Width, _config.LayerNormEpsilon, _normal[row]);
            RowNorm<TSimd, TVector>.Apply(_normal[row], _parts.QueryNorm, _values[row]);
        });
        if (HavePositions)
        {
            FindAnchors();
            PassContext.AddRows(phases, "QueryPositions", _parts.QuerySetCount * GridRowCount, row =>
            {
                int set = row / GridRowCount;
                (int grid, int query) = Math.DivRem(row % GridRowCount, queries);
                SpanMath.Add(new ReadOnlySpan<float>(_values[(set * queries) + query], context.Width),
                    PositionsOf(grid).Slice(query * context.Width, context.Width),
                    new Span<float>(_inputs[row], context.Width));
            });
        }

        ProductPhase<TSimd, TVector> products = new(context);
        for (int scope = 0; scope < _projected.Length; scope++)
            products.Linear(InputsOf(scope), GridRowCount, _parts.Scopes[scope].QueryProjection, _projected[scope]);
        products.AddTo(phases, "Queries");
    }

    /// <summary>Adds the phase that sums the gradients of the queries of a scope over the frames of each
    /// grid.</summary>
    public void AddSums(PhaseList phases, GradientNeeds needs, int scope)
    {
        if (!needs.Queries(scope))
            return;
        PassContext.AddRows(phases, "QuerySums", GridRowCount, row =>
        {
            (int grid, int query) = Math.DivRem(row, context.QueryCount);
            Span<float> sum = new(Gradients[row], context.Width);
            sum.Clear();
            for (int frame = 0; frame < context.Batch.FrameCount; frame++)
                if (GridOf(frame) == grid)
                    SpanMath.Add(sum, new ReadOnlySpan<float>(GradientsOf(frame)[query], context.Width), sum);
        });
    }

    /// <summary>Adds the products of the gradients of a scope. Scopes follow in order.</summary>
    public void AddProducts(ProductPhase<TSimd, TVector> products, GradientNeeds needs, int scope)
    {
        if (!needs.Queries(scope))
            return;
        LinearLayer layer = _parts.Scopes[scope].QueryProjection;
        products.Gradients(Gradients, GridRowCount, InputsOf(scope), layer);
        if (!needs.QueryInput(scope))
            return;
        int set = _parts.QuerySetOf(scope);
        products.InputGradient(Gradients, GridRowCount, layer, _inputGradients.After((long)set * GridRowCount),
            adds: _parts.QuerySetOf(scope) != scope);
    }

    /// <summary>Adds the phases from the gradients of the normalised queries to those of the parameters.</summary>
    public void AddBackward(PhaseList phases, GradientNeeds needs)
    {
        int[] sets = [.. Enumerable.Range(0, _parts.QuerySetCount).Where(needs.QueryInput)];
        if (sets.Length == 0)
            return;
        int queries = context.QueryCount;
        // The rows of a set that needs no gradient are computed from stale memory, and not used.
        if (GridCount > 1)
        {
            PassContext.AddRows(phases, "QueryGridSums", SetRowCount, row =>
            {
                (int set, int query) = Math.DivRem(row, queries);
                Span<float> sum = new(_valueGradients[row], context.Width);
                sum.Clear();
                for (int grid = 0; grid < GridCount; grid++)
                    SpanMath.Add(sum, new ReadOnlySpan<float>(
                        _inputGradients[((long)set * GridRowCount) + (grid * queries) + query], context.Width), sum);
            });
        }

        if (needs.QueryPositions)
            PassContext.AddRows(phases, "QueryPositionGradient", queries, query =>
            {
                foreach (int set in sets)
                    AddTo(_parts.Positions!, query, _valueGradients[(set * queries) + query]);
            });
        NormPhase<TSimd, TVector>.AddParameters(phases, "QueryNormParameters", _valueGradients, _normal, SetRowCount,
            _parts.QueryNorm);
        NormPhase<TSimd, TVector>.AddRows(phases, "QueryNormGradient", _valueGradients, _normal, _scales, SetRowCount,
            _parts.QueryNorm);
        PassContext.AddRows(phases, "QueryGradient", SetRowCount, row =>
        {
            TrainableTensor learned = _parts.Scopes[row / queries].Queries;
            if (!learned.IsFrozen)
                AddTo(learned, row % queries, _valueGradients[row]);
        });
    }

    private void AddTo(TrainableTensor tensor, int row, float* gradient)
    {
        Span<float> sum = tensor.Gradient.Slice(row * context.Width, context.Width);
        SpanMath.Add(sum, new ReadOnlySpan<float>(gradient, context.Width), sum);
    }

    private Rows InputsOf(int scope) => _inputs.After((long)_parts.QuerySetOf(scope) * GridRowCount);

    /// <summary>The index of the queries of a frame among those of all grids.</summary>
    public int GridOf(int frame) => _parts.HaveQueriesAnchors ? context.Batch.GridOf(frame) : 0;

    private ReadOnlySpan<float> PositionsOf(int grid)
        => _parts.HaveQueriesAnchors ? _anchors[context.Batch.DistinctGrids[grid]] : _parts.Positions!.Values;

    private void FindAnchors()
    {
        if (!_parts.HaveQueriesAnchors)
            return;
        if (_anchors.Count > MaxTableCount)
            _anchors.Clear();
        foreach (PatchGrid grid in context.Batch.DistinctGrids)
        {
            if (_anchors.ContainsKey(grid))
                continue;
            float[] table = new float[context.QueryCount * context.Width];
            PositionEmbedding.OfQueries(PositionEmbeddingType.SinCos2D, default, _config.QueryGrid, grid, context.Width,
                table);
            _anchors.Add(grid, table);
        }
    }
}
