using System.Text;

namespace MsResampler.Tests.Model;

public sealed class ConfigWriterTests
{
    [Test]
    public void The_text_has_every_field()
    {
        ResamplerConfig config = Configs.Of(Configs.Window(2, 3, WindowBorder.Shift),
            Configs.Gaussian(0.25, 0.5, new AxisPair(0.1, 1), ScopeUnits.Fraction), Configs.None) with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.Stored,
                FrameEmbeddingType.SinCos1D),
            TorchDType = WeightType.BFloat16,
        };
        const string Expected = """
            {
              "model_type": "ms_resampler",
              "vision_hidden_size": 12,
              "hidden_size": 24,
              "num_attention_heads": 3,
              "query_grid": [
                2,
                3
              ],
              "output_size": 10,
              "scopes": [
                {
                  "name": "window",
                  "prior": "window",
                  "units": "patches",
                  "window": [
                    2,
                    3
                  ],
                  "border": "shift"
                },
                {
                  "name": "gaussian",
                  "prior": "gaussian",
                  "units": "fraction",
                  "window": [
                    0.1,
                    1
                  ],
                  "border": "clip",
                  "sigma": [
                    0.25,
                    0.5
                  ]
                },
                {
                  "name": "global",
                  "prior": "none",
                  "units": "patches"
                }
              ],
              "share_queries": true,
              "share_kv": false,
              "position_embedding": {
                "keys": "sincos2d",
                "queries": "stored",
                "frames": "sincos1d"
              },
              "gate": {
                "type": "mlp",
                "hidden_size": 7,
                "granularity": "head"
              },
              "layer_norm_eps": 1E-06,
              "torch_dtype": "bfloat16"
            }

            """;
        Assert.That(Encoding.UTF8.GetString(ConfigWriter.Write(config)).ReplaceLineEndings("\n"),
            Is.EqualTo(Expected.ReplaceLineEndings("\n")));
    }

    [Test]
    public void A_configuration_is_read_back_equal([Range(0, 199)] int index)
    {
        ResamplerConfig config = new RandomCase(index).Config with
        {
            TorchDType = (WeightType)(index % 4),
            LayerNormEpsilon = 1e-6 / (index + 1),
        };
        List<string> warnings = [];
        ResamplerConfig read = ConfigReader.Read(ConfigWriter.Write(config), "config.json", warnings);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read.Scopes, Is.EqualTo(config.Scopes));
            Assert.That(read with { Scopes = config.Scopes }, Is.EqualTo(config));
            Assert.That(warnings, Is.Empty);
        }
    }

    [Test]
    public void Names_and_extreme_numbers_are_read_back()
    {
        ResamplerConfig config = Configs.Of(Configs.Window(int.MaxValue, 1) with { Name = "ü\u2028\"\\\n" },
            Configs.Gaussian(double.Epsilon, double.MaxValue));
        ResamplerConfig read = ConfigReader.Read(ConfigWriter.Write(config), "config.json", []);
        Assert.That(read.Scopes, Is.EqualTo(config.Scopes));
    }
}
