namespace MsResampler.Scenes;

/// <summary>A part of Fashion-MNIST. No garment is in two parts.</summary>
internal enum GarmentSplit
{
    /// <summary>The first 50,000 garments of the training set.</summary>
    Training,

    /// <summary>The last 10,000 garments of the training set, on which learning rates are chosen.</summary>
    Validation,

    /// <summary>The 10,000 garments of the test set.</summary>
    Test,
}
