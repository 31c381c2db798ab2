namespace MsResampler.Training.Passes;

/// <summary>The parameters of a linear layer: weight [out, in], and bias [out] or null.</summary>
internal sealed record LinearLayer(TrainableTensor Weight, TrainableTensor? Bias)
{
    public int InputWidth => Weight.Shape[1];

    public int OutputWidth => Weight.Shape[0];

    /// <summary>Whether a parameter is not frozen.</summary>
    public bool IsTrained => !Weight.IsFrozen || Bias is { IsFrozen: false };

    /// <summary>The layer of a name in a model.</summary>
    public static LinearLayer Of(TrainableModel model, string name)
        => new(model[$"{name}.weight"], model.Find($"{name}.bias"));
}
