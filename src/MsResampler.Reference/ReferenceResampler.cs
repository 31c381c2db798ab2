using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>The model in double precision. The code follows the definition of the model step by step, with dense
/// masks and without optimisations. It shares only the parsed configuration and the raw weights with the engine.
/// Immutable and thread-safe.</summary>
public sealed class ReferenceResampler
{
    private readonly ResamplerConfig _config;
    private readonly Linear? _keyValueInput;
    private readonly LayerNorm _keyValueNorm;
    private readonly LayerNorm _queryNorm;
    private readonly LayerNorm _postNorm;
    private readonly Scope[] _scopes;
    private readonly Gate? _gate;
    private readonly Linear _projection;
    private readonly Matrix<double>? _positionTable;

    private ReferenceResampler(ResamplerConfig config, ResamplerWeights weights)
    {
        _config = config;
        _keyValueInput = weights.KeyValueInput is null
            ? null : new Linear(Tensors.Matrix(weights.KeyValueInput), Bias: null);
        _keyValueNorm = LayerNorm.Load(weights.KeyValueNorm, config.LayerNormEpsilon);
        _queryNorm = LayerNorm.Load(weights.QueryNorm, config.LayerNormEpsilon);
        _postNorm = LayerNorm.Load(weights.PostNorm, config.LayerNormEpsilon);
        _scopes = [.. config.Scopes.Zip(weights.Scopes, Scope.Load)];
        _gate = weights.Gate is null ? null : Gate.Load(weights.Gate, config.GateGroupCount);
        _projection = Linear.Load(weights.Projection);
        _positionTable = weights.PositionTable is null ? null : Tensors.Matrix(weights.PositionTable);
    }

    /// <summary>Copies the weights of a model. The caller may dispose the model afterwards.</summary>
    /// <param name="model">An open model.</param>
    public static ReferenceResampler Load(ResamplerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new ReferenceResampler(model.Config, model.Weights);
    }

    /// <summary>The model's configuration.</summary>
    public ResamplerConfig Config => _config;

    /// <summary>Computes the tokens of one image, [M, L] row-major.</summary>
    /// <param name="features">X, [H·W, C] row-major.</param>
    /// <param name="grid">The image's patch grid.</param>
    /// <exception cref="ArgumentException">The length of <paramref name="features"/> is not H·W·C.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="grid"/> has no rows or no columns.</exception>
    public double[] Resample(ReadOnlySpan<float> features, PatchGrid grid)
        => Forward(features, grid, attention: null).Tokens.ToRowMajorArray();

    /// <summary>Computes the tokens, attention weights and gate weights of one image.</summary>
    /// <inheritdoc cref="Resample"/>
    public ReferenceExplanation Explain(ReadOnlySpan<float> features, PatchGrid grid)
    {
        int headCount = _config.AttentionHeadCount;
        Matrix<double>[][] attention = [.. _scopes.Select(_ => new Matrix<double>[headCount])];
        (Matrix<double> gate, Matrix<double> tokens) = Forward(features, grid, attention);
        return new ReferenceExplanation(grid, attention, gate, tokens.ToRowMajorArray());
    }

    private (Matrix<double> Gate, Matrix<double> Tokens) Forward(ReadOnlySpan<float> features, PatchGrid grid,
        Matrix<double>[][]? attention)
    {
        // Step 1: Z = layer_norm(linear(X, kv_proj); ln_kv), [N, D].
        Matrix<double> x = FeatureMatrix(features, grid);
        Matrix<double> z = _keyValueNorm.Apply(_keyValueInput?.Apply(x) ?? x);

        // Step 2: positions are added for the keys, not for the values.
        Matrix<double> zk = _config.PositionEmbedding.Keys ? z + KeyPositions(grid) : z;

        // Steps 3 to 5: the branches, O_s [M, D].
        Matrix<double>[] outputs = new Matrix<double>[_scopes.Length];
        for (int s = 0; s < _scopes.Length; s++)
            outputs[s] = Attend(_scopes[s], z, zk, grid, attention?[s]);

        // Step 6: the gate and F = Σ_s gate_s ⊙ O_s; with one scope, F = O_0.
        Matrix<double> gate = _gate?.Weights(outputs)
            ?? Matrix<double>.Build.Dense(_config.QueryGrid.QueryCount, 1, value: 1);
        Matrix<double> fused = _gate?.Fuse(gate, outputs) ?? outputs[0];

        // Step 7: linear(layer_norm(F; ln_post), proj), [M, L].
        return (gate, _projection.Apply(_postNorm.Apply(fused)));
    }

    /// <summary>Steps 3 to 5: O = linear(concat_heads(softmax(Q·Kᵀ/√d + bias)·V), out_proj).</summary>
    private Matrix<double> Attend(Scope scope, Matrix<double> z, Matrix<double> zk, PatchGrid grid,
        Matrix<double>[]? attention)
    {
        Matrix<double> queries = _queryNorm.Apply(scope.Queries);
        if (_config.PositionEmbedding.Queries)
            queries += QueryPositions(grid);
        Matrix<double> q = scope.QueryProjection.Apply(queries);
        Matrix<double> k = scope.KeyProjection.Apply(zk);
        Matrix<double> v = scope.ValueProjection.Apply(z);

        int headSize = _config.HeadSize;
        Matrix<double> heads = Matrix<double>.Build.Dense(q.RowCount, q.ColumnCount);
        for (int head = 0; head < _config.AttentionHeadCount; head++)
        {
            Matrix<double> logits = (Head(q, head).TransposeAndMultiply(Head(k, head)) / Math.Sqrt(headSize))
                + scope.Bias(_config.QueryGrid, grid, head);
            Matrix<double> weights = Softmax.OfRows(logits);
            if (attention is not null)
                attention[head] = weights;
            heads.SetSubMatrix(0, head * headSize, weights * Head(v, head));
        }
        return scope.OutputProjection.Apply(heads);
    }

    private Matrix<double> Head(Matrix<double> x, int head)
        => x.SubMatrix(0, x.RowCount, head * _config.HeadSize, _config.HeadSize);

    private Matrix<double> KeyPositions(PatchGrid grid) => _positionTable is not null
        ? Positions.Resize(_positionTable, _config.QueryGrid, grid)
        : Matrix<double>.Build.DenseOfRowVectors(
            from i in Enumerable.Range(0, grid.Rows)
            from j in Enumerable.Range(0, grid.Columns)
            select Positions.SinCos(i, j, _config.HiddenSize));

    private Matrix<double> QueryPositions(PatchGrid grid)
    {
        QueryGrid queryGrid = _config.QueryGrid;
        return _positionTable ?? Matrix<double>.Build.DenseOfRowVectors(
            from qi in Enumerable.Range(0, queryGrid.Rows)
            from qj in Enumerable.Range(0, queryGrid.Columns)
            let ay = Positions.Anchor(qi, queryGrid.Rows, grid.Rows)
            let ax = Positions.Anchor(qj, queryGrid.Columns, grid.Columns)
            select Positions.SinCos(ay, ax, _config.HiddenSize));
    }

    private Matrix<double> FeatureMatrix(ReadOnlySpan<float> features, PatchGrid grid)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grid.Rows, 1, nameof(grid));
        ArgumentOutOfRangeException.ThrowIfLessThan(grid.Columns, 1, nameof(grid));
        int width = _config.VisionHiddenSize;
        if (features.Length != grid.PatchCount * width)
            throw new ArgumentException($"features: expected {grid} patches × {width} channels = " +
                $"{grid.PatchCount * width} values, found {features.Length}", nameof(features));
        double[] values = new double[features.Length];
        for (int index = 0; index < values.Length; index++)
            values[index] = features[index];
        return Matrix<double>.Build.DenseOfRowMajor((int)grid.PatchCount, width, values);
    }
}
