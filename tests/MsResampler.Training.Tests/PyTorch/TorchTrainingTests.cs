using System.Numerics.Tensors;
using MsResampler.Safetensors;
using MsResampler.Training.Tests.Gradients;

namespace MsResampler.Training.Tests.PyTorch;

/// <summary>Gradients, steps and files against PyTorch: <c>perf/peers/torch_training.py</c> is the model as a module,
/// with autograd in double precision and PyTorch's AdamW.</summary>
internal sealed class TorchTrainingTests : TemporaryFolderFixture
{
    private const int StepCount = 3;

    /// <summary>The tolerances of <see cref="GradientTests"/>.</summary>
    private const double GradientTolerance = 1e-4;

    // Two images of different grids, and every kind of scope, position and parameter.
    private static readonly ResamplerConfig s_everything = Configs.Of(
        Configs.Window(2, 3),
        Configs.Gaussian(1.5, 2, new AxisPair(4, 5)),
        Configs.Gaussian(0.3, 0.4, units: ScopeUnits.Fraction),
        Configs.None) with
    {
        HiddenSize = 36,
        QueryGrid = new QueryGrid(3, 2),
        ShareQueries = false,
        PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.SinCos2D),
    };

    private static readonly ResamplerConfig s_shared = Configs.Of(
        Configs.Window(0.4, 0.3, WindowBorder.Shift, ScopeUnits.Fraction),
        Configs.Gaussian(2, 2)) with
    {
        ShareKeyValues = true,
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.Stored),
        Gate = new GateConfig(5, GateGranularity.Token),
    };

    [Test]
    public void Gradients_and_steps_are_those_of_PyTorch([Values] bool isShared)
    {
        ResamplerConfig config = isShared ? s_shared : s_everything;
        TrainableModel model = CreateModel(config);
        PatchGrid[] grids = [new PatchGrid(6, 5), new PatchGrid(4, 7)];
        float[][] features = [.. grids.Select((grid, image)
            => Normal(seed: 10 + image, (int)grid.PatchCount * config.VisionHiddenSize))];
        int tokenLength = config.QueryGrid.QueryCount * config.OutputSize;
        float[] targets = Normal(seed: 20, 2 * tokenLength);
        string folder = Folder.File("model");
        model.Save(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "batch.safetensors"),
        [
            new TensorToWrite("targets", TensorType.F32, [2, config.QueryGrid.QueryCount, config.OutputSize], targets),
            .. grids.Select((grid, image) => new TensorToWrite($"features.{image}", TensorType.F32,
                [grid.Rows, grid.Columns, config.VisionHiddenSize], features[image])),
        ]);
        string trained = Folder.File("trained");
        PythonWithTorch.RunOrSkip("torch_training.py", folder, "--out", trained, "--steps", $"{StepCount}",
            "--rate", "0.01");

        using SafetensorsCheckpoint steps = SafetensorsCheckpoint.Open(Path.Combine(trained, "steps.safetensors"));
        Dictionary<string, TensorInfo> byName = steps.Tensors.ToDictionary(tensor => tensor.Name);
        using ResamplerTrainer trainer = new(model);
        AdamW optimiser = new(model.Tensors, new AdamWOptions { Epsilon = 1e-4, WeightDecay = 0.1 });
        double[] losses = Read("losses");
        float[] all = [.. features.SelectMany(values => values)];
        for (int step = 0; step < StepCount; step++)
        {
            model.ClearGradients();
            float[] tokens = trainer.Forward(all, grids);
            float[] tokenGradient = new float[tokens.Length];
            TensorPrimitives.Subtract(tokens, targets, tokenGradient);
            double loss = TensorPrimitives.SumOfSquares<float>(tokenGradient) / tokens.Length;
            Assert.That(loss, Is.EqualTo(losses[step]).Within(1e-5 * losses[step]), $"loss of step {step + 1}");
            TensorPrimitives.Multiply(tokenGradient, 2f / tokens.Length, tokenGradient);
            float[] featureGradient = new float[all.Length];
            trainer.Backward(tokenGradient, featureGradient);
            if (step == 0)
                CheckGradients(featureGradient);
            optimiser.Step(0.01);
        }

        // The file that PyTorch wrote has the same names and shapes, and its values are those of the steps here.
        TrainableModel other = TrainableModel.Load(trained);
        Assert.That(other.Tensors.Select(tensor => tensor.ToString()),
            Is.EqualTo(model.Tensors.Select(tensor => tensor.ToString())));
        foreach ((TrainableTensor actual, TrainableTensor expected) in model.Tensors.Zip(other.Tensors))
        {
            if (!IsKeyBias(actual.Name))
                Assert.That(TensorPrimitives.Distance<float>(actual.Values, expected.Values)
                    / Math.Sqrt(actual.Count), Is.LessThan(2e-5), $"{actual.Name} after {StepCount} steps");
        }

        using Resampler engine = Resampler.Load(trained);
        float[] final = engine.Resample(all, grids);
        Assert.That(Tolerances.RelativeError(final, Read("tokens")), Is.LessThan(Tolerances.TwoSinglePrecisions));

        void CheckGradients(float[] featureGradient)
        {
            double largest = model.Tensors.Max(tensor => (double)TensorPrimitives.Norm(tensor.Gradient));
            using (Assert.EnterMultipleScope())
            {
                foreach (TrainableTensor tensor in model.Tensors)
                    Check(tensor.Name, tensor.Gradient, Read($"gradients.{tensor.Name}"), largest);
                Check("features", featureGradient,
                    [.. Read("gradients.features.0"), .. Read("gradients.features.1")], largest);
            }
        }

        double[] Read(string name)
        {
            double[] values = new double[byName[name].ElementCount];
            steps.Read(byName[name], 0, values.AsSpan());
            return values;
        }
    }

    private static void Check(string name, ReadOnlySpan<float> actual, double[] expected, double largest)
    {
        double error = 0;
        for (int element = 0; element < expected.Length; element++)
            error += Math.Pow(actual[element] - expected[element], 2);
        Assert.That(Math.Sqrt(error), Is.LessThan((GradientTolerance * TensorPrimitives.Norm<double>(expected))
            + (1e-6 * largest)), name);
    }

    private static bool IsKeyBias(string name) => name.EndsWith("k_proj.bias", StringComparison.Ordinal);

    private static TrainableModel CreateModel(ResamplerConfig config)
        => new DoubleModel(config, new RandomModelOptions
        {
            LearnedSigmaScopes = [1],
        }, seed: 5).ToTrainable();

    private static float[] Normal(int seed, int count)
        => Array.ConvertAll(RandomLoss.Normal(new Random(seed), count), value => (float)value);
}
