namespace MsResampler.Training.Tests;

/// <summary>Parameters of a model by name.</summary>
internal sealed class TrainableModelTests : TemporaryFolderFixture
{
    [Test]
    public void A_model_that_is_saved_and_loaded_has_the_same_values([Range(0, 20)] int index)
    {
        RandomCase drawn = new(index);
        TrainableModel model = TrainableModel.Create(drawn.Config, seed: 3, learnSigmas: true);
        string folder = Path.Combine(Folder.Path, $"{index}");
        model.Save(folder);
        TrainableModel loaded = TrainableModel.Load(folder);
        Assert.That(loaded.Tensors.Select(tensor => tensor.ToString()),
            Is.EqualTo(model.Tensors.Select(tensor => tensor.ToString())));
        foreach (TrainableTensor tensor in model.Tensors)
            Assert.That(loaded[tensor.Name].Values.SequenceEqual(tensor.Values), tensor.Name);
    }
}
