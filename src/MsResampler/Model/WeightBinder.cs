using System.Globalization;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Finds the tensor of every weight by name and checks its shape, type and values. All problems are
/// collected and reported in one exception.</summary>
/// <remarks>Names are those of the native layout after an optional prefix, without the parts that PyTorch's wrapper
/// modules add (<see cref="ModuleNames"/>). The names of published single-scope resamplers are also accepted:
/// <c>attn.*</c> for scope 0, stacked <c>in_proj</c>, <c>proj</c> stored as [D, L], and, with the prefix
/// <c>attn_pool.</c>, <c>ln_post</c> and <c>proj</c> one level up. In the native layout a matrix may be stored as
/// integers with the scales of its rows.</remarks>
internal sealed class WeightBinder
{
    // Longer than any role. Longer suffixes are not looked up, so that the cost of a hostile name is linear in its
    // length.
    private const int MaxRoleLength = 64;

    // Buffers of other PyTorch modules and of profiling tools.
    private static readonly HashSet<string> s_buffers = new(StringComparer.Ordinal)
    {
        "inv_freq", "position_ids", "num_batches_tracked", "running_mean", "running_var", "attention_mask", "attn_mask",
        "causal_mask", "masked_bias", "total_ops", "total_params",
    };

    private static readonly HashSet<string> s_roles = new(StringComparer.Ordinal)
    {
        "kv_proj.weight", "ln_kv.weight", "ln_kv.bias", "ln_q.weight", "ln_q.bias", "ln_post.weight", "ln_post.bias",
        "query", "pos_embed", "gate.fc1.weight", "gate.fc1.bias", "gate.fc2.weight", "gate.fc2.bias", "proj.weight",
        "proj.bias", "proj",
    };

    private static readonly HashSet<string> s_attentionRoles = new(StringComparer.Ordinal)
    {
        "q_proj.weight", "q_proj.bias", "k_proj.weight", "k_proj.bias", "v_proj.weight", "v_proj.bias",
        "out_proj.weight", "out_proj.bias", "in_proj_weight", "in_proj_bias",
    };

    private readonly ResamplerConfig _config;
    private readonly ITensorSource _source;
    private readonly TensorNames _names;
    private readonly CheckpointLayout _layout;
    private readonly CancellationToken _cancellationToken;
    private readonly HashSet<TensorInfo> _used = [];
    private readonly List<IntegerTensor> _integers = [];
    private readonly HashSet<string> _reported = new(StringComparer.Ordinal);
    private readonly List<string> _problems = [];
    private readonly List<string> _warnings = [];

    /// <param name="config">The configuration.</param>
    /// <param name="names">The tensors.</param>
    /// <param name="layout">The layout.</param>
    /// <param name="prefix">The prefix of the tensor names; null to detect it.</param>
    /// <param name="cancellationToken">Checked while values are read.</param>
    public WeightBinder(ResamplerConfig config, TensorNames names, CheckpointLayout layout, string? prefix,
        CancellationToken cancellationToken)
    {
        _config = config;
        _source = names.Source;
        _names = names;
        _layout = layout;
        _cancellationToken = cancellationToken;
        Prefix = prefix ?? DetectPrefix();
    }

    /// <summary>The prefix of the tensor names.</summary>
    public string Prefix { get; }

    /// <summary>One sentence per ignored tensor.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    private string OuterPrefix => LayoutRecognition.OuterPrefix(Prefix);

    /// <summary>Finds and checks all weights.</summary>
    /// <exception cref="InvalidModelException">There are problems; the exception lists all of them.</exception>
    public ResamplerWeights Bind()
    {
        _names.ThrowIfAdapted(Prefix);
        _warnings.AddRange(_names.WarningsUnder(Prefix));
        int width = _config.HiddenSize;
        int scopeCount = _config.Scopes.Count;
        bool isIdentityAllowed = _config.VisionHiddenSize == width;
        WeightTensor? keyValueInput = isIdentityAllowed && Find("kv_proj.weight") is null
            ? null : TakeMatrix("kv_proj.weight", width, _config.VisionHiddenSize);
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
        WeightTensor? positions = !_config.PositionEmbedding.IsStored ? null
            : Take("pos_embed", _config.QueryGrid.QueryCount, width);

        ReportUnused();
        _problems.AddRange(WeightValues.FindProblems(_source, _used, _cancellationToken));
        _problems.AddRange(IntegerValues.FindProblems(_source, _integers, _cancellationToken));
        if (_problems.Count > 0)
            throw new InvalidModelException(_source.SourcePath, _problems);
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

    /// <summary>Splits in_proj [3D, D] and its bias [3D] into q_proj, k_proj and v_proj.</summary>
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
            : TakeMatrix("proj.weight", _config.OutputSize, width, isOuter: true);
        return new LinearWeights(weight,
            Find("proj.bias", isOuter: true) is null ? null
                : TakeVector("proj.bias", _config.OutputSize, isOuter: true));
    }

    private NormWeights TakeNorm(string name, bool isOuter = false)
        => new(TakeVector(name + ".weight", _config.HiddenSize, isOuter),
            TakeVector(name + ".bias", _config.HiddenSize, isOuter));

    private LinearWeights TakeLinear(string name, int outputs, int inputs)
        => new(TakeMatrix(name + ".weight", outputs, inputs), TakeVector(name + ".bias", outputs));

    private TensorInfo? Find(string role, bool isOuter = false) => _names.Find(Prefix + role)
        ?? (isOuter ? _names.Find(OuterPrefix + role) : null);

    /// <summary>Reports the tensors that no weight uses. A known buffer gives a warning, and so does a table of
    /// positions where the configuration has no positions. Any other tensor is a problem: the configuration does not
    /// belong to the checkpoint.</summary>
    private void ReportUnused()
    {
        bool isTableAllowed = _layout == CheckpointLayout.MsResampler
            && _config.PositionEmbedding is { Keys: PositionEmbeddingType.None, Queries: PositionEmbeddingType.None };
        string user = _layout == CheckpointLayout.MsResampler ? "this configuration" : $"layout {_layout}";
        foreach ((string name, TensorInfo tensor) in _names.Stored)
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal) || _used.Contains(tensor))
                continue;
            if (s_buffers.Contains(name[(name.LastIndexOf('.') + 1)..]))
                _warnings.Add($"tensor {Quote(tensor.Name)} was ignored: a buffer that this model does not use");
            else if (isTableAllowed && name == Prefix + "pos_embed")
                _warnings.Add($"tensor {Quote(tensor.Name)} was ignored: the configuration has no stored positions");
            else
                _problems.Add($"tensor {Quote(tensor.Name)}: {user} does not use it; found {tensor.Type} " +
                    Describe(tensor.Shape));
        }
    }

    /// <summary>A matrix of a linear layer, which may be stored as integers.</summary>
    private WeightTensor TakeMatrix(string role, int rows, int columns, bool isOuter = false)
        => Take(role, [rows, columns], rows, columns, isStoredTransposed: false, isOuter,
            mayBeIntegers: _layout == CheckpointLayout.MsResampler);

    private WeightTensor Take(string role, int rows, int columns, bool isStoredTransposed = false,
        bool isOuter = false) => Take(role, isStoredTransposed ? [columns, rows] : [rows, columns], rows, columns,
            isStoredTransposed, isOuter, mayBeIntegers: false);

    private WeightTensor TakeVector(string role, int length, bool isOuter = false)
        => Take(role, [length], length, 1, isStoredTransposed: false, isOuter, mayBeIntegers: false);

    /// <summary>The weight of a role. A missing tensor, or one of the wrong shape or type, is recorded as a problem.
    /// </summary>
    private WeightTensor Take(string role, long[] expected, int rows, int columns, bool isStoredTransposed,
        bool isOuter, bool mayBeIntegers)
    {
        if (Find(role, isOuter) is not { } tensor)
        {
            string reason = _names.Absent.TryGetValue(Prefix + role, out string? absent) ? $": {absent}" : "";
            _problems.Add($"tensor {Quote(Prefix + role)}: expected shape {Describe(expected)}, found no such tensor" +
                reason);
            return new WeightTensor(_source, null!, rows, columns);
        }

        string name = _names.Find(Prefix + role) is not null ? Prefix + role : OuterPrefix + role;
        if (_names.AmbiguityOf(name) is { } ambiguous && _reported.Add(name))
        {
            _used.Add(ambiguous.Tensor);
            _problems.Add($"tensor {Quote(name)}: expected one tensor of this name, found {Quote(ambiguous.First)} " +
                $"and {Quote(ambiguous.Second)}, which differ only in the parts that wrapper modules add");
        }

        _used.Add(tensor);
        bool isShape = tensor.Shape.SequenceEqual(expected);
        if (!isShape)
            _problems.Add(
                $"tensor {Quote(tensor.Name)}: expected shape {Describe(expected)}, found {Describe(tensor.Shape)}");
        IntegerType? integers = mayBeIntegers ? IntegerTypes.StoredAs(tensor.Type) : null;
        if (integers is null && !ElementConversion.IsSupported(tensor.Type))
            _problems.Add($"tensor {Quote(tensor.Name)}: expected type F32, F16, BF16" +
                $"{(mayBeIntegers ? ", F64, I8 or I16" : " or F64")}, found {tensor.Type}" +
                (_layout == CheckpointLayout.MsResampler && IntegerTypes.StoredAs(tensor.Type) is not null
                    && role.EndsWith("in_proj_weight", StringComparison.Ordinal)
                    ? "; only the separate q_proj, k_proj and v_proj may be integers" : ""));
        if ((long)rows * columns > Array.MaxLength)
            _problems.Add($"tensor {Quote(tensor.Name)}: expected at most {Array.MaxLength} elements, " +
                $"found {(long)rows * columns}");
        float[]? scales = mayBeIntegers
            ? TakeScales(role + IntegerTypes.ScaleSuffix, tensor, integers, rows, isOuter) : null;
        if (integers is { } type && isShape && scales is not null)
            _integers.Add(new IntegerTensor(tensor, type, scales));
        return new WeightTensor(_source, tensor, rows, columns, isStoredTransposed: isStoredTransposed, scales: scales);
    }

    /// <summary>The scales of the rows of a matrix that is stored as integers. A problem is recorded if they are
    /// missing or invalid, or if they exist although the matrix is not stored as integers.</summary>
    /// <returns>The scales; null if the matrix is not stored as integers or there is a problem.</returns>
    private float[]? TakeScales(string role, TensorInfo matrix, IntegerType? integers, int rows, bool isOuter)
    {
        TensorInfo? tensor = Find(role, isOuter);
        if (integers is null)
        {
            if (tensor is not null && _used.Add(tensor))
                _problems.Add($"tensor {Quote(tensor.Name)}: expected no scales, as {Quote(matrix.Name)} is not of " +
                    $"type I8 or I16; found {tensor.Type} {Describe(tensor.Shape)} and weights of type {matrix.Type}");
            return null;
        }

        if (tensor is null)
        {
            string reason = _names.Absent.TryGetValue(Prefix + role, out string? absent) ? $": {absent}" : "";
            _problems.Add($"tensor {Quote(Prefix + role)}: expected the scales of the rows of {Quote(matrix.Name)}, " +
                $"F32 [{rows}], as its type is {matrix.Type}; found no such tensor{reason}");
            return null;
        }

        _used.Add(tensor);
        if (tensor.Type != TensorType.F32 || tensor.Shape.Count != 1 || tensor.Shape[0] != rows)
        {
            _problems.Add($"tensor {Quote(tensor.Name)}: expected the scales of the rows of {Quote(matrix.Name)}, " +
                $"F32 [{rows}], found {tensor.Type} {Describe(tensor.Shape)}");
            return null;
        }

        float[] scales = new float[rows];
        _source.Read(tensor, 0, scales);
        int negative = Array.FindIndex(scales, scale => scale < 0);
        if (negative >= 0)
            _problems.Add($"tensor {Quote(tensor.Name)}: expected scales of at least 0, found " +
                $"{scales[negative].ToString("R", CultureInfo.InvariantCulture)} at [{negative}]");
        return scales;
    }

    /// <summary>The prefix with the largest number of names that belong to this configuration.</summary>
    private string DetectPrefix()
    {
        Dictionary<string, int> votes = new(StringComparer.Ordinal);
        foreach (string name in _names.Tensors.Keys)
        {
            // A role is at the end of a name and has at most MaxRoleLength characters.
            int start = name.LastIndexOf('.', Math.Max(0, name.Length - MaxRoleLength)) + 1;
            while (true)
            {
                if (IsRole(name.AsSpan(start)))
                {
                    string prefix = name[..start];
                    votes[prefix] = votes.GetValueOrDefault(prefix) + 1;
                }

                int dot = name.IndexOf('.', start);
                if (dot < 0)
                    break;
                start = dot + 1;
            }
        }

        string[] best = [.. votes.Keys];
        Array.Sort(best, (left, right) => votes[left] != votes[right] ? votes[right].CompareTo(votes[left])
            : left.Length != right.Length ? left.Length.CompareTo(right.Length) : string.CompareOrdinal(left, right));
        if (best.Length >= 2 && votes[best[0]] == votes[best[1]] && best[0].Length > 0)
            _problems.Add($"tensor names: expected one resampler, found two that fit equally well, under " +
                $"{Quote(best[0])} and {Quote(best[1])}");
        return best.Length == 0 ? "" : best[0];
    }

    /// <summary>Whether a name without a prefix belongs to a model of this configuration.</summary>
    private bool IsRole(ReadOnlySpan<char> name)
    {
        const string Scopes = "scopes.";
        const string Attention = "attn.";
        if (s_roles.GetAlternateLookup<ReadOnlySpan<char>>().Contains(name))
            return true;
        if (name.StartsWith(Scopes, StringComparison.Ordinal))
        {
            name = name[Scopes.Length..];
            int dot = name.IndexOf('.');
            if (dot < 0 || !int.TryParse(name[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out int scope)
                || scope >= _config.Scopes.Count || (name[0] == '0' && dot > 1))
                return false;
            name = name[(dot + 1)..];
            if (name is "query" or "log_sigma")
                return true;
        }
        else if (_config.Scopes.Count > 1)
        {
            return false;
        }

        return name.StartsWith(Attention, StringComparison.Ordinal)
            && s_attentionRoles.GetAlternateLookup<ReadOnlySpan<char>>().Contains(name[Attention.Length..]);
    }

    private static string Describe(IEnumerable<long> shape) => TensorSize.Describe([.. shape]);
}
