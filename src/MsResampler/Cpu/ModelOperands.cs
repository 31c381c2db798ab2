using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The weights of a model in the form that the kernels read. Built once when the model is loaded; the
/// checkpoint is not needed afterwards.</summary>
internal sealed unsafe class ModelOperands<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private readonly LayerNorm<TSimd, TVector> _queryNorm;
    private readonly float[][] _normalQueries;
    private readonly PackedMatrix[] _queryProjections;
    private readonly float[]? _positionTable;
    private readonly AlignedBuffer[]? _queries;
    private readonly string _source;

    /// <summary>Reads and packs the weights.</summary>
    /// <param name="model">The open model.</param>
    /// <param name="integers">The products with integers; null for float32.</param>
    /// <param name="storage">Whether matrices of 16 bits keep them.</param>
    /// <exception cref="InvalidModelException">A matrix or bias computed from the weights leaves the range of
    /// float32.</exception>
    public ModelOperands(ResamplerModel model, IntegerProducts? integers = null,
        WeightStorage storage = WeightStorage.Float32)
    {
        _source = model.SourcePath;
        Integers = integers;
        ResamplerConfig config = Config = model.Config;
        ResamplerWeights weights = model.Weights;
        List<string> problems = [];
        if (weights.KeyValueInput is { } input)
            KeyValueInput = PackLayer(new LinearWeights(input, null), ModelLayers.KeyValueInput);

        KeyValueNorm = new(weights.KeyValueNorm.Weight.ToSingle(), new float[config.HiddenSize],
            config.LayerNormEpsilon);
        _queryNorm = Norm(weights.QueryNorm);
        PostNorm = Norm(weights.PostNorm);
        Projection = PackLayer(weights.Projection, ModelLayers.Projection);
        if (weights.Gate is { } gate)
            (GateHidden, GateOutput) = (PackLayer(gate.Hidden, ModelLayers.Gate),
                Pack(gate.Output, WeightStorage.Float32));
        _positionTable = weights.PositionTable?.ToSingle();
        _normalQueries = [.. weights.Scopes.Select((scope, index) => index > 0 && config.ShareQueries
            ? [] : Normalise(scope.Queries.ToSingle()))];
        _queryProjections = [.. weights.Scopes.Select(scope => Pack(scope.QueryProjection, storage))];
        double[] normBias = weights.KeyValueNorm.Bias.ToDouble();
        List<ScopeOperands<TSimd, TVector>> scopes = [];
        foreach (ScopeWeights scope in weights.Scopes)
            scopes.Add(new ScopeOperands<TSimd, TVector>(config, scope, normBias, scopes.FirstOrDefault(),
                PackLayer));
        Scopes = scopes;
        ScratchCount = Layers().Max(matrix => (matrix as PackedMatrix)?.ScratchCount ?? 0);
        BiasFolding.Apply(config, weights, scopes, GateHidden, problems);

        if (problems.Count > 0)
            throw new InvalidModelException(_source, problems);

        // If queries do not depend on the grid, they are projected once and q_proj is not needed afterwards.
        if (!DependsOnAnchors)
        {
            _queries = [.. Enumerable.Range(0, scopes.Count).Select(scope => Queries(scope, default))];
            _queryProjections = [];
            _normalQueries = [];
        }

        WeightMatrix PackLayer(LinearWeights linear, ModelLayers layer)
        {
            if (integers?.Pack(linear, layer) is { } matrix)
                return matrix;
            // A layer norm follows, which subtracts the mean over the channels. Subtracting it from the weights keeps
            // the products near zero.
            bool isNormalised = layer == ModelLayers.KeyValueInput
                || (layer == ModelLayers.Outputs && weights.Gate is null);
            return isNormalised ? PackCentred(linear, storage) : Pack(linear, storage);
        }
    }

    public ResamplerConfig Config { get; }

    /// <summary>The products with integers; null for float32.</summary>
    public IntegerProducts? Integers { get; }

    public WeightMatrix? KeyValueInput { get; }

    public LayerNorm<TSimd, TVector> KeyValueNorm { get; }

    public LayerNorm<TSimd, TVector> PostNorm { get; }

    public IReadOnlyList<ScopeOperands<TSimd, TVector>> Scopes { get; }

    public WeightMatrix? GateHidden { get; }

    public PackedMatrix? GateOutput { get; }

    public WeightMatrix Projection { get; }

    /// <summary>Floats of scratch memory that a product with a panel of any matrix needs.</summary>
    public int ScratchCount { get; }

    /// <summary>Whether a matrix has 16 bits in memory.</summary>
    public bool HasBits16 => Layers().Any(matrix => matrix is PackedMatrix { Type: not WeightType.Float32 });

    /// <summary>Memory of the matrices in bytes.</summary>
    public long WeightBytes => Layers().Concat(_queryProjections).Sum(matrix => matrix.Bytes)
        + (GateOutput?.Bytes ?? 0) + Scopes.Sum(scope => scope.HeadValueBytes);

    /// <summary>Whether queries add the position of their anchor and therefore depend on the grid.</summary>
    public bool DependsOnAnchors => Config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D;

    /// <summary>The stored table of positions on the query grid, [M, D]; empty if positions are computed.</summary>
    public ReadOnlySpan<float> PositionTable => _positionTable;

    /// <summary>The projected queries of a scope, [M, D], scaled by log₂e/√d for attention in base 2.</summary>
    public AlignedBuffer Queries(int scope, PatchGrid grid) => _queries?[scope]
        ?? ProjectQueries(scope, grid, new BufferPool(), (count, body) => Parallel.For(0, count, body));

    /// <summary>Returns <paramref name="folded"/> after a check that all its values are finite.</summary>
    /// <exception cref="InvalidModelException">A value left the range of float32.</exception>
    public FoldedQueries Checked(int scope, FoldedQueries folded)
        => SpanMath.AreFinite(folded.Memory.Span) ? folded
            : throw new InvalidModelException(_source, [$"scopes.{scope}.attn.k_proj.weight: expected products with " +
                "the projected queries within float32 (up to 3.4e38), found larger ones"]);

    /// <summary>The projected queries of a scope in memory from a pool. If <see cref="DependsOnAnchors"/>, the
    /// caller returns the buffer to the pool; otherwise the model owns it.</summary>
    public AlignedBuffer Queries(int scope, PatchGrid grid, BufferPool pool, WorkerPool workers)
        => _queries?[scope] ?? ProjectQueries(scope, grid, pool, workers.For);

    /// <summary>Every matrix of the products of a call once, except the last one of the gate.</summary>
    private IEnumerable<WeightMatrix> Layers()
    {
        WeightMatrix?[] layers =
        [
            KeyValueInput, GateHidden, Projection,
            .. Scopes.SelectMany(scope => new[] { scope.Keys, scope.Values, scope.Output }),
        ];
        return layers.OfType<WeightMatrix>().Distinct();
    }

    private AlignedBuffer ProjectQueries(int scope, PatchGrid grid, BufferPool pool, Action<int, Action<int>> loop)
    {
        int width = Config.HiddenSize;
        int count = Config.QueryGrid.QueryCount;
        float[] queries = _normalQueries[Config.ShareQueries ? 0 : scope];
        AlignedBuffer input = pool.Rent(queries.Length);
        Span<float> rows = input.Span[..queries.Length];
        if (Config.PositionEmbedding.Queries != PositionEmbeddingType.None)
        {
            PositionEmbedding.OfQueries(Config.PositionEmbedding.Queries, _positionTable, Config.QueryGrid, grid, width,
                rows);
            SpanMath.Add(queries, rows, rows);
        }
        else
        {
            queries.CopyTo(rows);
        }

        AlignedBuffer result = pool.Rent((long)count * width);
        PackedMatrix projection = _queryProjections[scope];
        loop(projection.PanelCount, panel =>
        {
            AlignedBuffer scratch = pool.Rent(projection.ScratchCount);
            Gemm<TSimd, TVector>.Panel(input.Pointer, width, count, projection, panel, result.Pointer, width,
                values: projection.Panel(panel, scratch.Pointer));
            pool.Return(scratch);
        });
        float scale = (float)Base2.QueryScale(Config.HeadSize);
        Span<float> values = result.Span[..(count * width)];
        SpanMath.Multiply(values, scale);
        pool.Return(input);
        return SpanMath.AreFinite(values) ? result
            : throw new InvalidModelException(_source, [$"scopes.{scope}.attn.q_proj: expected projected queries " +
                "within float32 (up to 3.4e38), found larger ones; they are the product of query, ln_q and q_proj"]);
    }

    private float[] Normalise(float[] queries)
    {
        fixed (float* pointer = queries)
            for (int query = 0; query < Config.QueryGrid.QueryCount; query++)
            {
                float* row = pointer + ((nint)query * Config.HiddenSize);
                _queryNorm.Apply(row, row);
            }

        return queries;
    }

    private LayerNorm<TSimd, TVector> Norm(NormWeights weights)
        => new(weights.Weight.ToSingle(), weights.Bias.ToSingle(), Config.LayerNormEpsilon);

    /// <summary>Packs a matrix whose product is normalised. The mean of each column is subtracted, unless a
    /// difference leaves the range of float32.</summary>
    private static PackedMatrix PackCentred(LinearWeights weights, WeightStorage storage)
    {
        PackedMatrix packed = Pack(weights, storage);
        return packed.TrySubtractMeans() || packed.Type != WeightType.Float32 ? packed : Pack(weights, storage);
    }

    private static PackedMatrix Pack(LinearWeights weights, WeightStorage storage)
        => PackedMatrix.FromTransposed<TSimd, TVector>(weights.Weight, weights.Bias?.ToSingle(), storage);
}
