using System.Security.Cryptography;
using System.Text;

namespace MsResampler.Tests.Model;

public class RandomModelTests
{
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Gaussian(2, 2), Configs.None) with
    {
        VisionHiddenSize = 24,
        HiddenSize = 32,
        AttentionHeadCount = 4,
        QueryGrid = new QueryGrid(3, 3),
        OutputSize = 48,
        ShareQueries = false,
        ShareKeyValues = true,
        PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored),
        Gate = new GateConfig(16, GateGranularity.Head),
    };

    private static readonly RandomModelOptions s_options = new() { LearnedSigmaScopes = [0] };

    private static string Digest(ulong seed)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (RandomTensor tensor in RandomModel.CreateTensors(s_config, seed, s_options))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(tensor.Name));
            foreach (float value in tensor.ToArray())
                hash.AppendData(BitConverter.GetBytes(value));
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    [Test]
    public void A_seed_has_the_same_weights_on_every_machine() => Assert.That(Digest(seed: 42), Is.EqualTo(
        "6925142C6F84109D0F052C297E87F18D4C211B4E5B549C1751A7A5879CD9A67D"));

    [Test]
    public void Different_seeds_have_different_weights()
        => Assert.That(Digest(seed: 43), Is.Not.EqualTo(Digest(seed: 42)));

    [Test]
    public void Weights_have_the_stated_deviation()
    {
        float[] values = RandomModel.CreateTensors(s_config with { HiddenSize = 256 }, 1, new())
            .Single(tensor => tensor.Name == "scopes.0.attn.q_proj.weight").ToArray();

        // 65536 values: the standard deviation of their mean is 1/256 of theirs, and of their variance about twice
        // that.
        double mean = values.Average(value => (double)value);
        double variance = values.Average(value => (value - mean) * (value - mean));
        Assert.That(mean, Is.EqualTo(0).Within(4 / 256.0 / 16));
        Assert.That(variance * 256, Is.EqualTo(1).Within(4 * 2 / 256.0));
    }

    [Test]
    public void The_configuration_is_copied_and_both_files_open()
    {
        string folder = Directory.CreateTempSubdirectory("ms-resampler-test-").FullName;
        try
        {
            byte[] json = Encoding.UTF8.GetBytes(ConfigJson.Of(s_config) + "\n\n");

            RandomModel.Write(Path.Combine(folder, "new"), s_config, json, seed: 1, s_options);

            Assert.That(File.ReadAllBytes(Path.Combine(folder, "new", "config.json")), Is.EqualTo(json));
            using ResamplerModel model = ResamplerModel.Open(Path.Combine(folder, "new"));
            Assert.That(model.Weights.Scopes[0].LogSigma, Is.Not.Null);
            Assert.That(Directory.GetFiles(Path.Combine(folder, "new")), Has.Length.EqualTo(2));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Options_that_do_not_fit_the_model_are_rejected()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => RandomModel.CreateTensors(s_config, 1, new() { OmitKeyValueInput = true }),
                Throws.ArgumentException.With.Message.Contains("vision_hidden_size (24)"));
            Assert.That(() => RandomModel.CreateTensors(s_config, 1, new() { LearnedSigmaScopes = [1] }),
                Throws.ArgumentException.With.Message.Contains("scope 1"));
            Assert.That(() => RandomModel.CreateTensors(s_config, 1, new() { UsePublishedNames = true }),
                Throws.ArgumentException.With.Message.Contains("found 2"));
        }
    }
}
