using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Everything of a model that does not depend on the image, in the form the kernels read. Built once at load;
/// the checkpoint is not needed afterwards.</summary>
internal sealed unsafe class ModelOperands<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private readonly LayerNorm<TSimd, TVector> _queryNorm;
    private readonly float[][] _normalQueries;
    private readonly PackedMatrix[] _queryProjections;
    private readonly float[]? _positionTable;
    private readonly AlignedBuffer[]? _queries;

    public ModelOperands(ResamplerConfig config, ResamplerWeights weights)
    {
        Config = config;
        KeyValueInput = weights.KeyValueInput is { } input ? Pack(new LinearWeights(input, null)) : null;
        KeyValueNorm = Norm(weights.KeyValueNorm);
        _queryNorm = Norm(weights.QueryNorm);
        PostNorm = Norm(weights.PostNorm);
        Projection = Pack(weights.Projection);
        if (weights.Gate is { } gate)
            (GateHidden, GateOutput) = (Pack(gate.Hidden), Pack(gate.Output));
        _positionTable = weights.PositionTable?.ToSingle();
        _normalQueries = [.. weights.Scopes.Select((scope, index) => index > 0 && config.ShareQueries
            ? [] : Normalise(scope.Queries.ToSingle()))];
        _queryProjections = [.. weights.Scopes.Select(scope => Pack(scope.QueryProjection))];
        List<ScopeOperands<TSimd, TVector>> scopes = [];
        foreach (ScopeWeights scope in weights.Scopes)
            scopes.Add(new ScopeOperands<TSimd, TVector>(config, scope, scopes.FirstOrDefault(), Pack));
        Scopes = scopes;

        // Without anchors the query side is the same for every image; then q_proj has done its work.
        if (!DependsOnAnchors)
        {
            _queries = [.. Enumerable.Range(0, scopes.Count).Select(scope => Queries(scope, default))];
            _queryProjections = [];
            _normalQueries = [];
        }
    }

    public ResamplerConfig Config { get; }

    public PackedMatrix? KeyValueInput { get; }

    public LayerNorm<TSimd, TVector> KeyValueNorm { get; }

    public LayerNorm<TSimd, TVector> PostNorm { get; }

    public IReadOnlyList<ScopeOperands<TSimd, TVector>> Scopes { get; }

    public PackedMatrix? GateHidden { get; }

    public PackedMatrix? GateOutput { get; }

    public PackedMatrix Projection { get; }

    /// <summary>Whether queries see their anchors' positions, so that they differ from grid to grid.</summary>
    public bool DependsOnAnchors => Config.PositionEmbedding is { Type: PositionEmbeddingType.SinCos2D, Queries: true };

    /// <summary>A table of positions that keys add, stored on the query grid, [M, D]; null where they are computed.
    /// </summary>
    public ReadOnlySpan<float> PositionTable => _positionTable;

    /// <summary>The projected queries of a scope, [M, D], scaled by log₂e/√d so that attention works in base 2.
    /// </summary>
    public AlignedBuffer Queries(int scope, PatchGrid grid) => _queries?[scope]
        ?? ProjectQueries(scope, grid, new BufferPool(), (count, body) => Parallel.For(0, count, body));

    /// <summary>The same in memory from a pool. Where <see cref="DependsOnAnchors"/> the caller returns it, otherwise it is
    /// the model's.</summary>
    public AlignedBuffer Queries(int scope, PatchGrid grid, BufferPool pool, WorkerPool workers)
        => _queries?[scope] ?? ProjectQueries(scope, grid, pool, workers.For);

    private AlignedBuffer ProjectQueries(int scope, PatchGrid grid, BufferPool pool, Action<int, Action<int>> loop)
    {
        int width = Config.HiddenSize;
        int count = Config.QueryGrid.QueryCount;
        float[] queries = _normalQueries[Config.ShareQueries ? 0 : scope];
        AlignedBuffer input = pool.Rent(queries.Length);
        queries.CopyTo(input.Span);
        if (Config.PositionEmbedding.Queries)
        {
            AlignedBuffer position = pool.Rent(width);
            for (int query = 0; query < count; query++)
                AddPosition(query, grid, input.Span.Slice(query * width, width), position.Span[..width]);
            pool.Return(position);
        }

        AlignedBuffer result = pool.Rent((long)count * width);
        PackedMatrix projection = _queryProjections[scope];
        loop(projection.PanelCount, panel => Gemm<TSimd, TVector>.Panel(input.Pointer, width, count, projection, panel,
            result.Pointer, width));
        float scale = (float)(1.4426950408889634 / Math.Sqrt(Config.HeadSize));
        Span<float> values = result.Span[..(count * width)];
        System.Numerics.Tensors.TensorPrimitives.Multiply(values, scale, values);
        pool.Return(input);
        return result;
    }

    private void AddPosition(int query, PatchGrid grid, Span<float> row, Span<float> position)
    {
        if (_positionTable is null)
            Position.SinCosAnchor(query, Config.QueryGrid, grid, position);
        else
            _positionTable.AsSpan(query * row.Length, row.Length).CopyTo(position);
        System.Numerics.Tensors.TensorPrimitives.Add(row, position, row);
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

    private static PackedMatrix Pack(LinearWeights weights) => PackedMatrix.FromTransposed<TSimd, TVector>(
        weights.Weight, weights.Bias?.ToSingle());
}
