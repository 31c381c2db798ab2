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

    /// <summary>The product of the extents is 2⁶⁴, 0 in 64 bits.</summary>
    [Test]
    public void A_shape_of_more_elements_than_64_bits_count_is_an_error()
        => Assert.That(() => new TrainableTensor("a", [1 << 30, 1 << 30, 16], []), Throws.ArgumentException
            .With.Message.Contains("found 0 values"));
}
