using MsResampler.Reference;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Every family of published resamplers is the model that its own code computes.</summary>
public class PublishedFamilyTests
{
    private static readonly PatchGrid s_grid = new(4, 4);
    private static readonly float[] s_features = Features(16);

    private static IEnumerable<string> Layouts => PublishedFamily.All.Select(family => family.Layout);

    private static float[] Features(int patchCount) => [.. Enumerable.Range(0, patchCount *
        PublishedFamily.ChannelCount).Select(index => MathF.Sin(index * 0.7f) + (0.3f * MathF.Cos(index * index)))];

    private static float[] Tokens(string path, CheckpointLayout? layout = null)
    {
        using Resampler resampler = Resampler.Load(path, new ResamplerOptions { ThreadCount = 1, Layout = layout });
        float[] tokens = new float[resampler.Config.QueryGrid.QueryCount * resampler.Config.OutputSize];
        resampler.Resample(s_features, [s_grid], tokens);
        return tokens;
    }

    [Test]
    public void Every_layout_has_a_family_here()
        => Assert.That(Layouts.Prepend("ms-resampler"),
            Is.EqualTo(CheckpointLayout.All.Select(layout => layout.Name)));

    [Test]
    public void A_folder_is_recognised_and_its_configuration_is_derived([ValueSource(nameof(Layouts))] string layout)
    {
        PublishedFamily family = PublishedFamily.Of(layout);
        using TemporaryFolder folder = new();
        family.Write(folder.Path, TensorType.F16);

        using ResamplerModel model = ResamplerModel.Open(folder.Path);

        ResamplerConfig expected = family.Config with { TorchDType = WeightType.Float16 };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.Layout.Name, Is.EqualTo(layout));
            Assert.That(model.Config with { Scopes = expected.Scopes }, Is.EqualTo(expected));
            Assert.That(model.Config.Scopes, Is.EqualTo(expected.Scopes));
            Assert.That(model.TensorPrefix, Is.EqualTo(family.Prefix));
            Assert.That(model.Warnings, Is.Empty);
        }

        using ResamplerModel inMemory = ResamplerModel.Open(File.ReadAllBytes(folder.File("model.safetensors")),
            File.ReadAllBytes(folder.File(ResamplerModel.ConfigFileName)));
        Assert.That((inMemory.Layout, inMemory.TensorPrefix), Is.EqualTo((model.Layout, model.TensorPrefix)));
        Assert.That(inMemory.Warnings, Is.Empty);
    }

    [Test]
    public void Tokens_have_the_bits_of_the_same_weights_in_our_layout([ValueSource(nameof(Layouts))] string layout,
        [Values(TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.F64)] TensorType type)
    {
        PublishedFamily family = PublishedFamily.Of(layout);
        using TemporaryFolder published = new();
        using TemporaryFolder own = new();
        family.Write(published.Path, type);
        File.WriteAllText(own.File(ResamplerModel.ConfigFileName), ConfigJson.Of(family.Config));
        SafetensorsWriter.Write(own.File("model.safetensors"), family.OwnTensors(type));

        Assert.That(Tokens(published.Path), Is.EqualTo(Tokens(own.Path)));
    }

    [Test]
    public void Tokens_are_those_of_the_published_computation([ValueSource(nameof(Layouts))] string layout)
    {
        PublishedFamily family = PublishedFamily.Of(layout);
        using TemporaryFolder folder = new();
        family.Write(folder.Path);
        double[] expected = new PublishedLoops(folder.File("model.safetensors"), family)
            .Resample(s_features, (s_grid, -1));

        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        double[] reference = ReferenceResampler.Load(model).Resample(s_features, s_grid);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tolerances.RelativeError(Tokens(folder.Path), expected),
                Is.LessThan(Tolerances.SinglePrecision));
            Assert.That(Tolerances.RelativeError(reference, expected), Is.LessThan(Tolerances.DoublePrecision));
        }
    }

    [TestCase("minicpm-v-4.5")]
    [TestCase("minicpm-o-4.5")]
    public void Frames_have_embeddings_of_time_only_in_the_layout_that_has_them(string layout)
    {
        PublishedFamily family = PublishedFamily.Of(layout);
        using TemporaryFolder folder = new();
        family.Write(folder.Path);
        PatchGrid[] grids = [new(2, 3), new(3, 2), new(1, 4)];
        float[] features = Features(16);
        double[] expected = new PublishedLoops(folder.File("model.safetensors"), family)
            .Resample(features, (grids[0], 3), (grids[1], 7), (grids[2], -1));

        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        double[] reference = ReferenceResampler.Load(model).Resample(features, grids, [3, 7, -1]);
        using Resampler resampler = Resampler.Load(model, new ResamplerOptions { ThreadCount = 1 });
        float[] tokens = new float[expected.Length];
        resampler.Resample(features, new FrameGroups(grids, [3, 7, -1], [3]), tokens);

        Assert.That(Tolerances.RelativeError(reference, expected), Is.LessThan(Tolerances.DoublePrecision));
        Assert.That(Tolerances.RelativeError(tokens, expected), Is.LessThan(Tolerances.SinglePrecision));
    }

    [Test]
    public void A_layout_can_be_asked_for()
    {
        using TemporaryFolder folder = new();
        PublishedFamily.Of("minicpm-o-4.5").Write(folder.Path);

        using ResamplerModel model = ResamplerModel.Open(folder.Path, CheckpointLayout.MiniCpmV45);
        using Resampler resampler = Resampler.Load(folder.Path, new() { Layout = CheckpointLayout.MiniCpmV45 });

        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.Layout, Is.SameAs(CheckpointLayout.MiniCpmV45));
            Assert.That(resampler.Config.PositionEmbedding.Frames, Is.EqualTo(FrameEmbeddingType.SinCos1D));
            Assert.That(() => Resampler.Load(model, new() { Layout = CheckpointLayout.MiniCpmO45 }),
                Throws.ArgumentException.With.Message.StartsWith("options.Layout: expected minicpm-v-4.5, the layout " +
                    "of the open model, or null, found minicpm-o-4.5"));
        }
    }

    [Test]
    public void Without_kv_proj_features_have_the_width_of_the_resampler()
    {
        PublishedFamily family = PublishedFamily.Of("minicpm-v-2.6");
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"),
            family.Tensors().Where(tensor => !tensor.Name.EndsWith("kv_proj.weight", StringComparison.Ordinal)));

        using ResamplerModel model = ResamplerModel.Open(folder.Path, CheckpointLayout.MiniCpmV26);

        Assert.That(model.Config.VisionHiddenSize, Is.EqualTo(PublishedFamily.Width));
        Assert.That(model.Weights.KeyValueInput, Is.Null);
    }
}
