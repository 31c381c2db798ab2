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
    public double[] Resample(ReadOnlySpan<float> features, PatchGrid grid) => Resample(features, [grid], [-1]);

    /// <summary>Computes the tokens of one group of frames, [M, L] row-major.</summary>
    /// <param name="features">X, the features of all frames one after another, each [H·W, C] row-major.</param>
    /// <param name="grids">The patch grid of each frame; at least one frame.</param>
    /// <param name="temporalIds">The temporal id of each frame, or −1.</param>
    /// <exception cref="ArgumentException">A length does not match the grids.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A grid has no rows or no columns, or an id is below
    /// −1.</exception>
    public double[] Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids,
        ReadOnlySpan<int> temporalIds)
        => Forward(features, FramesOf(grids, temporalIds), attention: null).Tokens.ToRowMajorArray();

    /// <summary>Computes the tokens, attention weights and gate weights of one image.</summary>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, PatchGrid)"/>
    public ReferenceExplanation Explain(ReadOnlySpan<float> features, PatchGrid grid)
        => Explain(features, [grid], [-1]);

    /// <summary>Computes the tokens, attention weights and gate weights of one group of frames.</summary>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, ReadOnlySpan{int})"/>
    public ReferenceExplanation Explain(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids,
        ReadOnlySpan<int> temporalIds)
    {
        int headCount = _config.AttentionHeadCount;
        Matrix<double>[][] attention = [.. _scopes.Select(_ => new Matrix<double>[headCount])];
        (Matrix<double> gate, Matrix<double> tokens) = Forward(features, FramesOf(grids, temporalIds), attention);
        return new ReferenceExplanation(grids.ToArray(), attention, gate, tokens.ToRowMajorArray());
    }

    private static Frame[] FramesOf(ReadOnlySpan<PatchGrid> grids, ReadOnlySpan<int> temporalIds)
    {
        if (grids.IsEmpty)
            throw new ArgumentException("grids: expected at least 1 frame, found none", nameof(grids));
        if (temporalIds.Length != grids.Length)
            throw new ArgumentException($"temporalIds: expected {grids.Length}, one per frame, found " +
                $"{temporalIds.Length}", nameof(temporalIds));
        Frame[] frames = new Frame[grids.Length];
        for (int index = 0; index < frames.Length; index++)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(grids[index].Rows, 1, nameof(grids));
            ArgumentOutOfRangeException.ThrowIfLessThan(grids[index].Columns, 1, nameof(grids));
            ArgumentOutOfRangeException.ThrowIfLessThan(temporalIds[index], -1, nameof(temporalIds));
            frames[index] = new Frame(grids[index], temporalIds[index]);
        }

        return frames;
    }

    private (Matrix<double> Gate, Matrix<double> Tokens) Forward(ReadOnlySpan<float> features, Frame[] frames,
        Matrix<double>[][]? attention)
    {
        // Step 1: Z = layer_norm(linear(X, kv_proj); ln_kv), [N, D], where N counts the patches of all frames.
        Matrix<double> x = FeatureMatrix(features, frames);
        Matrix<double> z = _keyValueNorm.Apply(_keyValueInput?.Apply(x) ?? x);

        // Step 2: positions are added for the keys, not for the values.
        Matrix<double> zk = z + Stack(frames, KeyPositions);

        // Steps 3 to 5: the branches, O_s [M, D].
        Matrix<double>[] outputs = new Matrix<double>[_scopes.Length];
        for (int s = 0; s < _scopes.Length; s++)
            outputs[s] = Attend(_scopes[s], z, zk, frames, attention?[s]);

        // Step 6: the gate and F = Σ_s gate_s ⊙ O_s; with one scope, F = O_0.
        Matrix<double> gate = _gate?.Weights(outputs)
            ?? Matrix<double>.Build.Dense(_config.QueryGrid.QueryCount, 1, value: 1);
        Matrix<double> fused = _gate?.Fuse(gate, outputs) ?? outputs[0];

        // Step 7: linear(layer_norm(F; ln_post), proj), [M, L].
        return (gate, _projection.Apply(_postNorm.Apply(fused)));
    }

    /// <summary>Steps 3 to 5: O = linear(concat_heads(softmax(Q·Kᵀ/√d + bias)·V), out_proj). Anchors are those on the
    /// grid of each frame, so queries and biases can differ between frames. One softmax covers all frames.</summary>
    private Matrix<double> Attend(Scope scope, Matrix<double> z, Matrix<double> zk, Frame[] frames,
        Matrix<double>[]? attention)
    {
        Matrix<double> normalised = _queryNorm.Apply(scope.Queries);
        Matrix<double>[] q = [.. frames.Select(frame
            => scope.QueryProjection.Apply(normalised + QueryPositions(frame.Grid)))];
        Matrix<double> k = scope.KeyProjection.Apply(zk);
        Matrix<double> v = scope.ValueProjection.Apply(z);

        int headSize = _config.HeadSize;
        PatchGrid[] grids = [.. frames.Select(frame => frame.Grid)];
        Matrix<double> heads = Matrix<double>.Build.Dense(normalised.RowCount, normalised.ColumnCount);
        for (int head = 0; head < _config.AttentionHeadCount; head++)
        {
            Matrix<double> products = Matrix<double>.Build.Dense(normalised.RowCount, z.RowCount);
            int first = 0;
            for (int frame = 0; frame < frames.Length; frame++)
            {
                int count = (int)grids[frame].PatchCount;
                products.SetSubMatrix(0, first, Head(q[frame], head).TransposeAndMultiply(
                    Head(k.SubMatrix(first, count, 0, k.ColumnCount), head)));
                first += count;
            }

            Matrix<double> logits = (products / Math.Sqrt(headSize)) + scope.Bias(_config.QueryGrid, grids, head);
            Matrix<double> weights = Softmax.OfRows(logits);
            if (attention is not null)
                attention[head] = weights;
            heads.SetSubMatrix(0, head * headSize, weights * Head(v, head));
        }
        return scope.OutputProjection.Apply(heads);
    }

    private Matrix<double> Head(Matrix<double> x, int head)
        => x.SubMatrix(0, x.RowCount, head * _config.HeadSize, _config.HeadSize);

    /// <summary>P of the patches of a frame plus T of its time, [H·W, D].</summary>
    private Matrix<double> KeyPositions(Frame frame)
    {
        int width = _config.HiddenSize;
        Matrix<double> positions = _config.PositionEmbedding.Keys switch
        {
            PositionEmbeddingType.None => Matrix<double>.Build.Dense((int)frame.Grid.PatchCount, width),
            PositionEmbeddingType.Stored => Positions.Resize(_positionTable!, _config.QueryGrid, frame.Grid),
            PositionEmbeddingType.SinCos2D => Matrix<double>.Build.DenseOfRowVectors(
                from i in Enumerable.Range(0, frame.Grid.Rows)
                from j in Enumerable.Range(0, frame.Grid.Columns)
                select Positions.SinCos(i, j, width)),
            PositionEmbeddingType unknown => throw new NotSupportedException(
                $"{unknown}: expected positions that the reference implements"),
        };
        if (_config.PositionEmbedding.Frames == FrameEmbeddingType.None || frame.TemporalId < 0)
            return positions;
        Vector<double> time = Positions.OfTime(frame.TemporalId, width);
        return Matrix<double>.Build.DenseOfRowVectors(positions.EnumerateRows().Select(row => row + time));
    }

    /// <summary>What normalised queries add on a grid, [M, D].</summary>
    private Matrix<double> QueryPositions(PatchGrid grid)
    {
        QueryGrid queryGrid = _config.QueryGrid;
        return _config.PositionEmbedding.Queries switch
        {
            PositionEmbeddingType.None => Matrix<double>.Build.Dense(queryGrid.QueryCount, _config.HiddenSize),
            PositionEmbeddingType.Stored => _positionTable!,
            PositionEmbeddingType.SinCos2D => Matrix<double>.Build.DenseOfRowVectors(
                from qi in Enumerable.Range(0, queryGrid.Rows)
                from qj in Enumerable.Range(0, queryGrid.Columns)
                let ay = Positions.Anchor(qi, queryGrid.Rows, grid.Rows)
                let ax = Positions.Anchor(qj, queryGrid.Columns, grid.Columns)
                select Positions.SinCos(ay, ax, _config.HiddenSize)),
            PositionEmbeddingType unknown => throw new NotSupportedException(
                $"{unknown}: expected positions that the reference implements"),
        };
    }

    private static Matrix<double> Stack(Frame[] frames, Func<Frame, Matrix<double>> rows)
        => frames.Select(rows).Aggregate((above, below) => above.Stack(below));

    private Matrix<double> FeatureMatrix(ReadOnlySpan<float> features, Frame[] frames)
    {
        int width = _config.VisionHiddenSize;
        long patchCount = frames.Sum(frame => frame.Grid.PatchCount);
        if (features.Length != patchCount * width)
        {
            string grids = string.Join(" + ", frames.Select(frame => frame.Grid));
            throw new ArgumentException($"features: expected {grids} patches × {width} channels = " +
                $"{patchCount * width} values, found {features.Length}", nameof(features));
        }

        double[] values = new double[features.Length];
        for (int index = 0; index < values.Length; index++)
            values[index] = features[index];
        return Matrix<double>.Build.DenseOfRowMajor((int)patchCount, width, values);
    }

    /// <summary>A frame of a group.</summary>
    private readonly record struct Frame(PatchGrid Grid, int TemporalId);
}
