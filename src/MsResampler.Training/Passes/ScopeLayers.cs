namespace MsResampler.Training.Passes;

/// <summary>The parameters of one scope. Scopes that share keys and values have the same objects for them.</summary>
internal sealed record ScopeLayers(TrainableTensor Queries, LinearLayer QueryProjection, LinearLayer KeyProjection,
    LinearLayer ValueProjection, LinearLayer OutputProjection, TrainableTensor? LogSigma)
{
    /// <summary>The parameters of a scope of a model.</summary>
    public static ScopeLayers Of(TrainableModel model, int scope)
    {
        string attention = $"scopes.{scope}.attn";
        string shared = model.Config.ShareKeyValues ? "scopes.0.attn" : attention;
        return new ScopeLayers(model[model.Config.ShareQueries ? "query" : $"scopes.{scope}.query"],
            LinearLayer.Of(model, $"{attention}.q_proj"), LinearLayer.Of(model, $"{shared}.k_proj"),
            LinearLayer.Of(model, $"{shared}.v_proj"), LinearLayer.Of(model, $"{attention}.out_proj"),
            model.Find(TrainableModel.SigmaName(scope)));
    }
}
