using System.Numerics.Tensors;
using MsResampler.Claim.Arms;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Runs;

/// <summary>Writes what the demo of the command needs: a trained model, its reader and some garments of the test
/// split.</summary>
internal static class DemoExport
{
    /// <summary>Trains <see cref="ArmList.Scopes"/> with the settings of the final runs, and writes it.</summary>
    /// <param name="folder">The folder to write to.</param>
    /// <param name="rate">The learning rate.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="load">Reads a split.</param>
    /// <param name="log">Receives a line for each point of the learning curve.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    public static void Train(string folder, double rate, RunSettings settings, Func<GarmentSplit, GarmentSet> load,
        TextWriter log, CancellationToken cancellationToken)
    {
        const ulong Seed = 1;
        using Trainee trainee = new(ArmList.Find(ArmList.Scopes).Create(Seed), Seed, settings);
        foreach (CurvePoint point in trainee.Train(rate, load(GarmentSplit.Training), load(GarmentSplit.Validation),
            cancellationToken))
            log.WriteLine($"step {point.Step}: loss {point.Loss:0.000}, validation {point.Accuracy:0.000}");
        Write(folder, ((ScopedModel)trainee.Model).Model, trainee.Reader, load(GarmentSplit.Test));
    }

    /// <summary>Writes the best model of the experiment.</summary>
    /// <exception cref="InvalidDataException">No run has finished.</exception>
    public static void WriteBest(Experiment experiment, string folder, GarmentSet test)
    {
        string source = experiment.BestModelFolder;
        if (!Directory.Exists(source))
            throw new InvalidDataException($"--export: expected the best model of finished runs in {source}, found " +
                "none; --export-steps trains one");
        Write(folder, TrainableModel.Load(source), ReaderFile.Load(Path.Combine(source, ReaderFile.Name)), test);
    }

    private static void Write(string folder, TrainableModel model, Reader reader, GarmentSet test)
    {
        Directory.CreateDirectory(folder);
        ForPictures(model).Save(folder);
        ReaderFile.Save(Path.Combine(folder, ReaderFile.Name), reader);
        test.WriteDemo(folder);
    }

    /// <summary>A model that computes the same tokens from a <see cref="ScenePicture"/>: each of its three equal
    /// channels gets a third of the weights.</summary>
    public static TrainableModel ForPictures(TrainableModel model)
    {
        const string Projection = "kv_proj.weight";
        TrainableModel copy = TrainableModel.Create(model.Config with
        {
            VisionHiddenSize = ScenePicture.FeatureSize,
        }, seed: 0);
        foreach (TrainableTensor tensor in model.Tensors.Where(tensor => tensor.Name != Projection))
            tensor.Values.CopyTo(copy[tensor.Name].Values);
        ReadOnlySpan<float> source = model[Projection].Values;
        Span<float> target = copy[Projection].Values;
        for (int row = 0; row < model.Config.HiddenSize; row++)
        {
            ReadOnlySpan<float> weights = source.Slice(row * SceneLayout.FeatureSize, SceneLayout.FeatureSize);
            for (int channel = 0; channel < ScenePicture.ChannelCount; channel++)
                TensorPrimitives.Multiply(weights, ScenePicture.FeatureFactor / ScenePicture.ChannelCount,
                    target.Slice((row * ScenePicture.FeatureSize) + (channel * SceneLayout.FeatureSize),
                        SceneLayout.FeatureSize));
        }

        return copy;
    }
}
