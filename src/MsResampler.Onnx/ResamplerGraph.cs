using MsResampler.Model;
using MsResampler.Onnx.Proto;

namespace MsResampler.Onnx;

/// <summary>Builds the graph of a model. Shapes use B for the batch size, N for the patches, M for the queries, A
/// for the heads and d for the width of a head.</summary>
/// <remarks>Weights are stored in the layout that the products read. The values are the only large tensor that is
/// transposed at run time; the product of the keys is transposed already. Biases are added to M rows instead of N
/// where possible. Runtimes compute the variance from sums of squares, which is inaccurate for rows far from 0. The
/// mean of a row is therefore removed before each layer norm: in the weights of kv_proj if there is one, otherwise
/// by a node.</remarks>
internal sealed class ResamplerGraph(ResamplerModel model, PatchGrid grid)
{
    private const string Batch = "batch";

    private readonly OnnxGraph _graph = new("ms_resampler");
    private readonly ResamplerConfig _config = model.Config;
    private readonly ResamplerWeights _weights = model.Weights;
    private readonly BranchBiases _biases = BranchBiases.Of(model.Config, model.Weights);

    private int PatchCount { get; } = checked((int)grid.PatchCount);

    private int QueryCount => _config.QueryGrid.QueryCount;

    /// <summary>Builds the graph.</summary>
    /// <exception cref="NotSupportedException">The file would exceed 2 GiB.</exception>
    public ModelProto Build()
    {
        string image = _graph.Input(OnnxExporter.InputName, Batch, grid.Rows, grid.Columns, _config.VisionHiddenSize);
        string features = _graph.Reshape("patches", image, 0, PatchCount, _config.VisionHiddenSize);
        string x = _weights.KeyValueInput is { } input ? CentredProduct("kv_proj", features, input)
            : _graph.Centre("features.centred", features);
        string z = Norm("ln_kv", x, _weights.KeyValueNorm);
        string zk = _config.PositionEmbedding.Keys == PositionEmbeddingType.None ? z
            : _graph.Plus("key_features", z, KeyPositions());
        string transposedZk = _graph.Transpose("key_features.transposed", zk, 0, 2, 1);

        string[] branches = new string[_config.Scopes.Count];
        string keys = "";
        string values = "";
        for (int scope = 0; scope < branches.Length; scope++)
        {
            if (scope == 0 || !_config.ShareKeyValues)
            {
                keys = Keys(scope, transposedZk);
                values = Values(scope, z);
            }

            branches[scope] = Branch(scope, keys, values);
        }

        string fused = _weights.Gate is { } gate ? Fuse(branches, gate) : branches[0];
        string normalised = Norm("ln_post", _graph.Centre("fused.centred", fused), _weights.PostNorm);
        string tokens = Linear("proj", normalised, _weights.Projection);
        _graph.Output(OnnxExporter.OutputName, tokens, Batch, QueryCount, _config.OutputSize);
        return _graph.ToModel($"MS-Resampler for images of {grid} patches");
    }

    private string KeyPositions()
    {
        double[] positions = Positions.OfKeys(_config, _weights, grid);
        return _graph.Constant("key_positions", [.. positions.Select(value => (float)value)], PatchCount,
            _config.HiddenSize);
    }

    /// <summary>Keys in the layout that the logits read, [B, A, d, N], which is the layout of Wk·ZKᵀ. The bias of
    /// k_proj adds the same value to every logit of a query, which the softmax removes.</summary>
    private string Keys(int scope, string transposedZk)
    {
        string name = $"scopes.{scope}.k_proj";
        WeightTensor weight = _weights.Scopes[scope].KeyProjection.Weight;
        string keys = _graph.MatMul(name,
            _graph.Constant(name + ".weight", weight.ToSingle(), weight.Rows, weight.Columns), transposedZk);
        return _graph.Reshape(name + ".heads", keys, 0, _config.AttentionHeadCount, _config.HeadSize,
            PatchCount);
    }

    /// <summary>Values by head, [B, A, N, d]. Their bias is part of the bias of out_proj.</summary>
    private string Values(int scope, string z)
    {
        string name = $"scopes.{scope}.v_proj";
        string values = Product(name, z, _weights.Scopes[scope].ValueProjection.Weight);
        string split = _graph.Reshape(name + ".split", values, 0, PatchCount, _config.AttentionHeadCount,
            _config.HeadSize);
        return _graph.Transpose(name + ".heads", split, 0, 2, 1, 3);
    }

    private string Branch(int scope, string keys, string values)
    {
        string name = $"scopes.{scope}.";
        ScopeWeights weights = _weights.Scopes[scope];
        int headCount = _config.AttentionHeadCount;
        string queries = _graph.Constant(name + "queries", QuerySide.Queries(_config, _weights, scope, grid),
            headCount, QueryCount, _config.HeadSize);
        string logits = _graph.MatMul(name + "logits", queries, keys);
        float[] prior = QuerySide.Prior(_config, scope, weights.LogSigma, grid);
        if (prior.AsSpan().ContainsAnyExcept(0f))
            logits = _graph.Plus(name + "logits.in_scope", logits, _graph.Constant(name + "prior", prior,
                weights.LogSigma is null ? 1 : headCount, QueryCount, PatchCount));
        string shares = _graph.Softmax(name + "softmax", logits, axis: -1);
        string sums = _graph.MatMul(name + "attention", shares, values);
        string byQuery = _graph.Transpose(name + "attention.by_query", sums, 0, 2, 1, 3);
        string joined = _graph.Reshape(name + "heads", byQuery, 0, QueryCount, _config.HiddenSize);
        string output = Product(name + "out_proj", joined, weights.OutputProjection.Weight);
        return _graph.Plus(name + "output", output,
            _graph.Constant(name + "out_proj.bias", _biases.Outputs[scope], _config.HiddenSize));
    }

    /// <summary>Σ_s gate_s ⊙ O_s, with the gates computed from all branches side by side.</summary>
    private string Fuse(string[] branches, GateWeights gate)
    {
        int scopeCount = branches.Length;
        int groupCount = _config.GateGroupCount;
        string joined = _graph.Concatenate("branches", branches, axis: -1);
        string hidden = _graph.Gelu("gate.hidden", _graph.Plus("gate.fc1.biased",
            Product("gate.fc1", joined, gate.Hidden.Weight),
            _graph.Constant("gate.fc1.bias", _biases.GateHidden!, gate.Hidden.Weight.Rows)));
        string logits = _graph.Reshape("gate.logits", Linear("gate.fc2", hidden, gate.Output), 0, QueryCount,
            scopeCount, groupCount, 1);
        string groups = _graph.Reshape("branches.groups", joined, 0, QueryCount, scopeCount, groupCount,
            _config.HiddenSize / groupCount);
        string gated = _graph.Times("branches.gated", groups, _graph.Softmax("gate", logits, axis: 2));
        string sum = _graph.Sum("fused.groups", gated, axis: 2);
        return _graph.Reshape("fused", sum, 0, QueryCount, _config.HiddenSize);
    }

    private string Norm(string name, string x, NormWeights norm) => _graph.LayerNorm(name, x,
        Vector(name + ".weight", norm.Weight), Vector(name + ".bias", norm.Bias), _config.LayerNormEpsilon);

    private string Linear(string name, string x, LinearWeights linear)
    {
        string product = Product(name, x, linear.Weight);
        return linear.Bias is { } bias
            ? _graph.Plus(name + ".biased", product, Vector(name + ".bias", bias)) : product;
    }

    /// <summary>x·Wᵀ minus the mean of each row, which the following layer norm subtracts anyway. The mean is
    /// subtracted from the weights in double precision.</summary>
    private string CentredProduct(string name, string x, WeightTensor weight)
    {
        double[] values = weight.ToDouble();
        for (int column = 0; column < weight.Columns; column++)
        {
            double mean = 0;
            for (int row = 0; row < weight.Rows; row++)
                mean += values[(row * weight.Columns) + column] / weight.Rows;
            for (int row = 0; row < weight.Rows; row++)
                values[(row * weight.Columns) + column] -= mean;
        }

        float[] centred = Array.ConvertAll(values, value => (float)value);
        return Product(name, x, weight, Array.TrueForAll(centred, float.IsFinite) ? centred : weight.ToSingle());
    }

    /// <summary>x·Wᵀ.</summary>
    private string Product(string name, string x, WeightTensor weight) => Product(name, x, weight, weight.ToSingle());

    private string Product(string name, string x, WeightTensor weight, float[] values)
    {
        float[] transposed = new float[values.Length];
        for (int row = 0; row < weight.Rows; row++)
            for (int column = 0; column < weight.Columns; column++)
                transposed[(column * weight.Rows) + row] = values[(row * weight.Columns) + column];
        return _graph.MatMul(name, x,
            _graph.Constant(name + ".weight", transposed, weight.Columns, weight.Rows));
    }

    private string Vector(string name, WeightTensor weight)
        => _graph.Constant(name, weight.ToSingle(), weight.Rows);
}
