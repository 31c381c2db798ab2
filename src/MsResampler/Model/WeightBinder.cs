using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Finds every weight's tensor by name and checks its shape and type. All problems are collected first, then
/// reported as one error.</summary>
/// <remarks>Names are those of the native layout after an optional prefix. Published single-scope resamplers are
/// accepted too: <c>attn.*</c> for scope 0, stacked <c>in_proj</c>, <c>proj</c> stored [D, L], and, for an
/// <c>attn_pool.</c> prefix, <c>ln_post</c> and <c>proj</c> one level up.</remarks>
internal sealed class WeightBinder
{
    private const string NestedModule = "attn_pool.";

    private readonly ResamplerConfig _config;
    private readonly SafetensorsCheckpoint _checkpoint;
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly List<string> _problems = [];

    public WeightBinder(ResamplerConfig config, SafetensorsCheckpoint checkpoint)
    {
        _config = config;
        _checkpoint = checkpoint;
        Prefix = DetectPrefix();
    }

    public string Prefix { get; }

    private string OuterPrefix => Prefix.EndsWith(NestedModule, StringComparison.Ordinal)
        ? Prefix[..^NestedModule.Length] : Prefix;

    public ResamplerWeights Bind()
    {
        int width = _config.HiddenSize;
        int scopeCount = _config.Scopes.Count;
        bool isIdentityAllowed = _config.VisionHiddenSize == width;
        WeightTensor? keyValueInput = isIdentityAllowed && Find("kv_proj.weight") is null
            ? null : Take("kv_proj.weight", width, _config.VisionHiddenSize);
        NormWeights keyValueNorm = TakeNorm("ln_kv");
        NormWeights queryNorm = TakeNorm("ln_q");
        NormWeights postNorm = TakeNorm("ln_post", isOuter: true);
        List<ScopeWeights> scopes = [];
        for (int scope = 0; scope < scopeCount; scope++)
            scopes.Add(TakeScope(scope, scopes.FirstOrDefault()));
        GateWeights? gate = _config.Gate is not { } gateConfig ? null : new GateWeights(
            TakeLinear("gate.fc1", gateConfig.HiddenSize, scopeCount * width),
            TakeLinear("gate.fc2", checked(scopeCount * _config.GateGroupCount), gateConfig.HiddenSize));
        LinearWeights projection = TakeProjection();
        WeightTensor? positions = _config.PositionEmbedding.Type != PositionEmbeddingType.Stored ? null
            : Take("pos_embed", _config.QueryGrid.QueryCount, width);

        foreach (TensorInfo tensor in _checkpoint.Tensors)
            if (tensor.Name.StartsWith(Prefix, StringComparison.Ordinal) && !_used.Contains(tensor.Name))
                _problems.Add($"tensor '{tensor.Name}': unexpected, this configuration has no use for it; found " +
                    $"{tensor.Type} {Describe(tensor.Shape)}");
        if (_problems.Count > 0)
            throw new InvalidModelException(_checkpoint.SourcePath, _problems);
        return new ResamplerWeights(keyValueInput, keyValueNorm, queryNorm, postNorm, scopes, gate, projection,
            positions);
    }

    private ScopeWeights TakeScope(int scope, ScopeWeights? first)
    {
        int width = _config.HiddenSize;
        WeightTensor queries = !_config.ShareQueries
            ? Take($"scopes.{scope}.query", _config.QueryGrid.QueryCount, width)
            : first?.Queries ?? Take("query", _config.QueryGrid.QueryCount, width);
        string attention = $"scopes.{scope}.attn.";
        if (_config.Scopes.Count == 1 && Find(attention + "out_proj.weight") is null)
            attention = "attn.";
        bool ownsKeyValues = scope == 0 || !_config.ShareKeyValues;
        bool isStacked = ownsKeyValues && Find(attention + "in_proj_weight") is not null;
        LinearWeights[] projections = isStacked ? TakeStacked(attention) : [];
        return new ScopeWeights(queries,
            isStacked ? projections[0] : TakeLinear(attention + "q_proj", width, width),
            isStacked ? projections[1] : ownsKeyValues ? TakeLinear(attention + "k_proj", width, width)
                : first!.KeyProjection,
            isStacked ? projections[2] : ownsKeyValues ? TakeLinear(attention + "v_proj", width, width)
                : first!.ValueProjection,
            TakeLinear(attention + "out_proj", width, width),
            _config.Scopes[scope].Prior == ScopePrior.Gaussian && Find($"scopes.{scope}.log_sigma") is not null
                ? Take($"scopes.{scope}.log_sigma", _config.AttentionHeadCount, 2) : null);
    }

    /// <summary>Splits in_proj [3D, D] and its bias [3D] into the q, k and v projections stacked in it.</summary>
    private LinearWeights[] TakeStacked(string attention)
    {
        int width = _config.HiddenSize;
        WeightTensor weight = Take(attention + "in_proj_weight", checked(3 * width), width);
        WeightTensor bias = TakeVector(attention + "in_proj_bias", checked(3 * width));
        return [.. Enumerable.Range(0, 3).Select(part => new LinearWeights(
            weight.RowSlice(part * width, width), bias.RowSlice(part * width, width)))];
    }

    private LinearWeights TakeProjection()
    {
        int width = _config.HiddenSize;
        bool isTransposed = Find("proj.weight", isOuter: true) is null && Find("proj", isOuter: true) is not null;
        WeightTensor weight = isTransposed
            ? Take("proj", _config.OutputSize, width, isStoredTransposed: true, isOuter: true)
            : Take("proj.weight", _config.OutputSize, width, isOuter: true);
        return new LinearWeights(weight,
            Find("proj.bias", isOuter: true) is null ? null
                : TakeVector("proj.bias", _config.OutputSize, isOuter: true));
    }

    private NormWeights TakeNorm(string name, bool isOuter = false)
        => new(TakeVector(name + ".weight", _config.HiddenSize, isOuter),
            TakeVector(name + ".bias", _config.HiddenSize, isOuter));

    private LinearWeights TakeLinear(string name, int outputs, int inputs)
        => new(Take(name + ".weight", outputs, inputs), TakeVector(name + ".bias", outputs));

    private TensorInfo? Find(string role, bool isOuter = false) => _checkpoint.Find(Prefix + role)
        ?? (isOuter ? _checkpoint.Find(OuterPrefix + role) : null);

    private WeightTensor Take(string role, int rows, int columns, bool isStoredTransposed = false,
        bool isOuter = false) => Take(role, isStoredTransposed ? [columns, rows] : [rows, columns], rows, columns,
            isStoredTransposed, isOuter);

    private WeightTensor TakeVector(string role, int length, bool isOuter = false)
        => Take(role, [length], length, 1, isStoredTransposed: false, isOuter);

    /// <summary>The weight named <paramref name="role"/>, stored with the <paramref name="expected"/> shape. A tensor
    /// that does not fit is recorded as a problem.</summary>
    private WeightTensor Take(string role, long[] expected, int rows, int columns, bool isStoredTransposed,
        bool isOuter)
    {
        if (Find(role, isOuter) is not { } tensor)
        {
            _problems.Add($"tensor '{Prefix}{role}': expected shape {Describe(expected)}, found no such tensor");
            return new WeightTensor(_checkpoint, null!, rows, columns);
        }

        _used.Add(tensor.Name);
        if (!tensor.Shape.SequenceEqual(expected))
            _problems.Add(
                $"tensor '{tensor.Name}': expected shape {Describe(expected)}, found {Describe(tensor.Shape)}");
        if (tensor.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16 or TensorType.F64))
            _problems.Add($"tensor '{tensor.Name}': expected type F32, F16, BF16 or F64, found {tensor.Type}");
        if ((long)rows * columns > Array.MaxLength)
            _problems.Add($"tensor '{tensor.Name}': expected at most {Array.MaxLength} elements, " +
                $"found {(long)rows * columns}");
        return new WeightTensor(_checkpoint, tensor, rows, columns, isStoredTransposed: isStoredTransposed);
    }

    /// <summary>The prefix under which most of the names that this model can have are found.</summary>
    private string DetectPrefix()
    {
        HashSet<string> roles = [.. RoleNames()];
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> isRole = roles.GetAlternateLookup<ReadOnlySpan<char>>();
        Dictionary<string, int> votes = new(StringComparer.Ordinal);
        foreach (TensorInfo tensor in _checkpoint.Tensors)
        {
            for (int start = 0; ;)
            {
                if (isRole.Contains(tensor.Name.AsSpan(start)))
                {
                    string prefix = tensor.Name[..start];
                    votes[prefix] = votes.GetValueOrDefault(prefix) + 1;
                }

                int dot = tensor.Name.IndexOf('.', start);
                if (dot < 0)
                    break;
                start = dot + 1;
            }
        }

        KeyValuePair<string, int>[] best = [.. votes.OrderByDescending(vote => vote.Value)
            .ThenBy(vote => vote.Key.Length).ThenBy(vote => vote.Key, StringComparer.Ordinal).Take(2)];
        if (best.Length == 2 && best[0].Value == best[1].Value && best[0].Key.Length > 0)
            _problems.Add($"tensor names: expected one resampler, found two that fit equally well, under " +
                $"'{best[0].Key}' and '{best[1].Key}'");
        return best.Length == 0 ? "" : best[0].Key;
    }

    private IEnumerable<string> RoleNames()
    {
        string[] common = ["kv_proj.weight", "ln_kv.weight", "ln_kv.bias", "ln_q.weight", "ln_q.bias", "ln_post.weight",
            "ln_post.bias", "query", "pos_embed", "gate.fc1.weight", "gate.fc1.bias", "gate.fc2.weight",
            "gate.fc2.bias", "proj.weight", "proj.bias", "proj"];
        string[] attention = ["q_proj.weight", "q_proj.bias", "k_proj.weight", "k_proj.bias", "v_proj.weight",
            "v_proj.bias", "out_proj.weight", "out_proj.bias", "in_proj_weight", "in_proj_bias"];
        IEnumerable<string> scopes = Enumerable.Range(0, _config.Scopes.Count).SelectMany(scope =>
            attention.Select(name => $"scopes.{scope}.attn.{name}")
                .Append($"scopes.{scope}.query").Append($"scopes.{scope}.log_sigma"));
        IEnumerable<string> single = _config.Scopes.Count > 1 ? [] : attention.Select(name => "attn." + name);
        return common.Concat(scopes).Concat(single);
    }

    private static string Describe(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";
}
