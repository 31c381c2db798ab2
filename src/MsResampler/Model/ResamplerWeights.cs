namespace MsResampler.Model;

/// <summary>The parameters of a layer normalisation: weight and bias, each [D].</summary>
public sealed record NormWeights(WeightTensor Weight, WeightTensor Bias);

/// <summary>A linear layer <c>x·Wᵀ + b</c>: weight [out, in], bias [out] or null.</summary>
public sealed record LinearWeights(WeightTensor Weight, WeightTensor? Bias);

/// <summary>The weights of the cross-attention of one scope. Each projection is [D, D] with a bias [D].</summary>
/// <param name="Queries">The learned queries, [M, D]; the same object for every scope if they are shared.</param>
/// <param name="QueryProjection">q_proj.</param>
/// <param name="KeyProjection">k_proj; the same object for every scope if keys and values are shared.</param>
/// <param name="ValueProjection">v_proj; the same object for every scope if keys and values are shared.</param>
/// <param name="OutputProjection">out_proj.</param>
/// <param name="LogSigma">The learned log sigma, [A, 2] (rows, columns) in the units of the scope; or null.</param>
public sealed record ScopeWeights(WeightTensor Queries, LinearWeights QueryProjection, LinearWeights KeyProjection,
    LinearWeights ValueProjection, LinearWeights OutputProjection, WeightTensor? LogSigma);

/// <summary>The two layers of the fusion gate: fc1 [G, S·D], fc2 [S·R, G].</summary>
public sealed record GateWeights(LinearWeights Hidden, LinearWeights Output);

/// <summary>All weights of a model by role. They read from the checkpoint on demand, so it must stay open.</summary>
/// <param name="KeyValueInput">kv_proj, [D, C] without bias; null for the identity (C = D).</param>
/// <param name="KeyValueNorm">ln_kv.</param>
/// <param name="QueryNorm">ln_q.</param>
/// <param name="PostNorm">ln_post.</param>
/// <param name="Scopes">One entry per scope.</param>
/// <param name="Gate">The fusion gate; null with one scope.</param>
/// <param name="Projection">proj, [L, D]; the bias is optional.</param>
/// <param name="PositionTable">pos_embed, [M, D]; null unless positions are stored.</param>
public sealed record ResamplerWeights(WeightTensor? KeyValueInput, NormWeights KeyValueNorm, NormWeights QueryNorm,
    NormWeights PostNorm, IReadOnlyList<ScopeWeights> Scopes, GateWeights? Gate, LinearWeights Projection,
    WeightTensor? PositionTable)
{
    /// <summary>Every matrix of a linear layer once, with its layer; <see cref="ModelLayers.None"/> for
    /// <c>q_proj</c> and <c>gate.fc2</c>.</summary>
    internal IEnumerable<(ModelLayers Layer, WeightTensor Matrix)> Matrices()
    {
        if (KeyValueInput is not null)
            yield return (ModelLayers.KeyValueInput, KeyValueInput);
        for (int scope = 0; scope < Scopes.Count; scope++)
        {
            ScopeWeights weights = Scopes[scope];
            yield return (ModelLayers.None, weights.QueryProjection.Weight);
            if (scope == 0 || !ReferenceEquals(weights.KeyProjection, Scopes[0].KeyProjection))
            {
                yield return (ModelLayers.Keys, weights.KeyProjection.Weight);
                yield return (ModelLayers.Values, weights.ValueProjection.Weight);
            }

            yield return (ModelLayers.Outputs, weights.OutputProjection.Weight);
        }

        if (Gate is not null)
        {
            yield return (ModelLayers.Gate, Gate.Hidden.Weight);
            yield return (ModelLayers.None, Gate.Output.Weight);
        }

        yield return (ModelLayers.Projection, Projection.Weight);
    }

    /// <summary>Every weight once, under the name and in the order in which this project stores it.</summary>
    /// <param name="config">The configuration, which says what scopes share.</param>
    internal IEnumerable<NamedWeight> Named(ResamplerConfig config)
    {
        if (KeyValueInput is not null)
            yield return new("kv_proj.weight", KeyValueInput, ModelLayers.KeyValueInput);
        foreach ((string name, NormWeights norm) in new[]
        {
            ("ln_kv", KeyValueNorm), ("ln_q", QueryNorm), ("ln_post", PostNorm),
        })
        {
            yield return new($"{name}.weight", norm.Weight, IsVector: true);
            yield return new($"{name}.bias", norm.Bias, IsVector: true);
        }

        if (PositionTable is not null)
            yield return new("pos_embed", PositionTable);
        if (config.ShareQueries)
            yield return new("query", Scopes[0].Queries);
        for (int scope = 0; scope < Scopes.Count; scope++)
            foreach (NamedWeight weight in NamedOf(scope, config))
                yield return weight;
        if (Gate is not null)
        {
            foreach (NamedWeight weight in NamedOf("gate.fc1", Gate.Hidden, ModelLayers.Gate)
                .Concat(NamedOf("gate.fc2", Gate.Output)))
                yield return weight;
        }

        foreach (NamedWeight weight in NamedOf("proj", Projection, ModelLayers.Projection))
            yield return weight;
    }

    private IEnumerable<NamedWeight> NamedOf(int scope, ResamplerConfig config)
    {
        ScopeWeights weights = Scopes[scope];
        string attention = $"scopes.{scope}.attn";
        IEnumerable<NamedWeight> named = NamedOf($"{attention}.q_proj", weights.QueryProjection);
        if (!config.ShareQueries)
            named = named.Prepend(new($"scopes.{scope}.query", weights.Queries));
        if (scope == 0 || !config.ShareKeyValues)
        {
            named = named.Concat(NamedOf($"{attention}.k_proj", weights.KeyProjection, ModelLayers.Keys))
                .Concat(NamedOf($"{attention}.v_proj", weights.ValueProjection, ModelLayers.Values));
        }

        named = named.Concat(NamedOf($"{attention}.out_proj", weights.OutputProjection, ModelLayers.Outputs));
        return weights.LogSigma is { } logSigma ? named.Append(new($"scopes.{scope}.log_sigma", logSigma)) : named;
    }

    private static IEnumerable<NamedWeight> NamedOf(string name, LinearWeights linear,
        ModelLayers layer = ModelLayers.None)
    {
        yield return new($"{name}.weight", linear.Weight, layer);
        if (linear.Bias is { } bias)
            yield return new($"{name}.bias", bias, IsVector: true);
    }
}

/// <summary>A weight under the name that this project stores.</summary>
/// <param name="Name">The name.</param>
/// <param name="Weight">The weight.</param>
/// <param name="Layer">The layer of the matrix of a linear layer; <see cref="ModelLayers.None"/> for all other
/// weights, and for <c>q_proj</c> and <c>gate.fc2</c>.</param>
/// <param name="IsVector">Whether it is stored as a vector.</param>
internal sealed record NamedWeight(string Name, WeightTensor Weight, ModelLayers Layer = ModelLayers.None,
    bool IsVector = false);
