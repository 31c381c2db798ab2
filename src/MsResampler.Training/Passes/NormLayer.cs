namespace MsResampler.Training.Passes;

/// <summary>The parameters of a layer normalisation, each [D].</summary>
internal sealed record NormLayer(TrainableTensor Weight, TrainableTensor Bias)
{
    /// <summary>Whether a parameter is not frozen.</summary>
    public bool IsTrained => !Weight.IsFrozen || !Bias.IsFrozen;

    /// <summary>The layer of a name in a model.</summary>
    public static NormLayer Of(TrainableModel model, string name)
        => new(model[$"{name}.weight"], model[$"{name}.bias"]);
}
