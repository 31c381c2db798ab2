using MsResampler.Model;

namespace MsResampler.Training.Passes;

/// <summary>The parameters of a model by their place in it.</summary>
internal sealed class ModelParts
{
    public ModelParts(TrainableModel model)
    {
        Config = model.Config;
        Input = model.Find("kv_proj.weight") is { } weight ? new LinearLayer(weight, Bias: null) : null;
        KeyValueNorm = NormLayer.Of(model, "ln_kv");
        QueryNorm = NormLayer.Of(model, "ln_q");
        PostNorm = NormLayer.Of(model, "ln_post");
        Scopes = [.. Enumerable.Range(0, Config.Scopes.Count).Select(scope => ScopeLayers.Of(model, scope))];
        if (Config.Gate is not null)
        {
            GateHidden = LinearLayer.Of(model, "gate.fc1");
            GateOutput = LinearLayer.Of(model, "gate.fc2");
        }

        Projection = LinearLayer.Of(model, "proj");
        Positions = model.Find("pos_embed");
    }

    public ResamplerConfig Config { get; }

    /// <summary>The place of each patch in the picture; null for the order of the features.</summary>
    public IReadOnlyList<int>? PatchPlaces { get; init; }

    /// <summary>kv_proj; null for the identity.</summary>
    public LinearLayer? Input { get; }

    public NormLayer KeyValueNorm { get; }

    public NormLayer QueryNorm { get; }

    public NormLayer PostNorm { get; }

    public IReadOnlyList<ScopeLayers> Scopes { get; }

    /// <summary>gate.fc1; null with one scope.</summary>
    public LinearLayer? GateHidden { get; }

    /// <summary>gate.fc2; null with one scope.</summary>
    public LinearLayer? GateOutput { get; }

    public LinearLayer Projection { get; }

    /// <summary>pos_embed; null unless positions are stored.</summary>
    public TrainableTensor? Positions { get; }

    /// <summary>The scope whose keys and values a scope uses.</summary>
    public int OwnerOf(int scope) => Config.ShareKeyValues ? 0 : scope;

    /// <summary>The last scope that uses the keys and values of a scope's owner.</summary>
    public int LastUserOf(int scope) => Config.ShareKeyValues ? Config.Scopes.Count - 1 : scope;

    /// <summary>The set of learned queries of a scope.</summary>
    public int QuerySetOf(int scope) => Config.ShareQueries ? 0 : scope;

    /// <summary>The number of sets of learned queries.</summary>
    public int QuerySetCount => Config.ShareQueries ? 1 : Config.Scopes.Count;

    /// <summary>Whether queries add the position of their anchor on the patch grid.</summary>
    public bool HaveQueriesAnchors => Config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D;
}
