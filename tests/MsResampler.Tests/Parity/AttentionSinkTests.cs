using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Tests.Cpu;

namespace MsResampler.Tests.Parity;

/// <summary>Attention with integers where one patch has by far the largest weight and the others share the rest, as in
/// trained transformers (attention sinks).</summary>
public class AttentionSinkTests
{
    private const int Width = 64;

    private static readonly ResamplerConfig s_config = Configs.Of(Configs.None) with
    {
        VisionHiddenSize = Width,
        HiddenSize = Width,
        AttentionHeadCount = 1,
        QueryGrid = new QueryGrid(4, 4),
        OutputSize = 96,
        ShareKeyValues = false,
        PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        Gate = null,
    };

    /// <summary>The largest weight is <paramref name="ratio"/> times the others, which are similar patches. A rounded
    /// weight errs by at most a level, with a standard deviation of at most half of it. The errors are independent, so
    /// the sum of n weights errs by √n/2 levels.</summary>
    [Test]
    public void The_other_patches_keep_their_share([Values(50, 150, 260, 1000, 6800)] int ratio,
        [Values(192, 576)] int patches, [Values] bool hasBytes)
    {
        using TestModel files = new(s_config, new RandomModelOptions { OmitKeyValueInput = true }, seed: 5,
            edit: tensor => tensor with { ValueAt = index => Weight(tensor, index, ratio) });
        PatchGrid grid = new(patches / 16, 16);
        float[] features = Features(patches);
        ModelLayers layers = hasBytes ? ModelLayers.Attention : ModelLayers.None;
        using ModelEngine engine = CpuVariant.Choose().Create(files.Model,
            new ResamplerOptions { Precision = Precision.Int8, Int8Layers = layers },
            choice => choice.Alternatives[0].Strategy);
        float[] tokens = new float[s_config.QueryGrid.QueryCount * s_config.OutputSize];
        engine.Resample(features, [grid], tokens, CancellationToken.None);

        double level = hasBytes ? 127 : IntegerType.Int16.MaxLevel(IntegerHeads.KeyBlock);
        // The weights of all patches are 1 + n/ratio in units of the largest.
        double weights = Math.Sqrt(patches) / 2 / level / (1 + ((double)patches / ratio));
        // The rounding of keys and values, and of all other layers with 16 bits.
        double others = (hasBytes ? 1.0 / 127 : 0) + 2e-3;
        Assert.That(Tolerances.RelativeError(tokens, files.Reference.Resample(features, grid)),
            Is.LessThan(weights + others));
    }

    /// <summary>Every query is the first unit vector, and so is the first patch; k_proj scales its channel so that the
    /// difference of logits is log(ratio).</summary>
    private static float Weight(RandomTensor tensor, long index, int ratio)
    {
        bool isFirst = index == 0;
        return tensor.Name switch
        {
            _ when tensor.Name.EndsWith("k_proj.weight", StringComparison.Ordinal) && isFirst
                => (float)(Math.Log(ratio) / Math.Sqrt(Width - 1) * Math.Sqrt(Width)),
            _ when tensor.Name.EndsWith("k_proj.weight", StringComparison.Ordinal) => 0.02f * tensor.ValueAt(index),
            _ when tensor.Name.EndsWith("q_proj.weight", StringComparison.Ordinal) => 0.05f * tensor.ValueAt(index),
            _ when tensor.Name.EndsWith("q_proj.bias", StringComparison.Ordinal) => isFirst ? 1 : 0,
            "ln_kv.weight" => 1,
            "ln_kv.bias" => 0,
            _ => tensor.ValueAt(index),
        };
    }

    private static float[] Features(int patches)
    {
        float[] common = Values.Array(Width, seed: 1), features = Values.Array(patches * Width, seed: 2);
        for (int index = 0; index < features.Length; index++)
        {
            int channel = index % Width;
            features[index] = index < Width ? channel == 0 ? 1 : 0
                : channel == 0 ? 0 : common[channel] + (0.5f * features[index]);
        }

        return features;
    }
}
