using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

public class SmoothingTests
{
    private const int Channel = 3;

    [TestCase(1, 100, ExpectedResult = 1 / 128f, Description = "the power of two below 1/100")]
    [TestCase(1, 7, ExpectedResult = 1f, Description = "within the limit of 8 times the median")]
    [TestCase(1, 1e-20f, ExpectedResult = 1f, Description = "small weights keep")]
    [TestCase(1.1f, 3e38f, ExpectedResult = 1 / (float)(1L << 63) / (1L << 63),
        Description = "the smallest power of two whose inverse is finite, 2^-126")]
    [TestCase(1e-5f, 3e38f, ExpectedResult = 1f, Description = "a quotient beyond float32")]
    [TestCase(0, 1, ExpectedResult = 1f, Description = "a median of 0")]
    public float A_channel_of_large_weights_has_a_factor_that_makes_them_usual(float others, float outlier)
    {
        using TestModel model = new(Configs.Mixed, new RandomModelOptions { Type = TensorType.F32 }, edit: tensor
            => tensor.Name != "kv_proj.weight" ? tensor : tensor with
            {
                ValueAt = index => index % tensor.Shape[^1] == Channel ? outlier : others,
            });
        ResamplerWeights weights = model.Model.Weights;

        float[] factors = new Smoothing(weights).Of(weights.KeyValueInput!, ModelLayers.KeyValueInput);

        if (factors.Length == 0)
            return 1;
        Assert.That(factors.Where((_, channel) => channel != Channel), Is.All.EqualTo(1));
        return factors[Channel];
    }
}
