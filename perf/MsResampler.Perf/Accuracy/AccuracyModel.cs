using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using MsResampler.Reference;

namespace MsResampler.Perf.Accuracy;

/// <summary>A random model of medium size and one image, with the tokens and attention of the reference.</summary>
internal sealed class AccuracyModel : IDisposable
{
    private static readonly int[] s_widths = [128, 256, 384, 512];
    private static readonly int[] s_heads = [4, 8];
    private static readonly int[] s_sides = [8, 12, 16];
    private static readonly int[] s_queries = [4, 6, 8];

    private readonly DirectoryInfo _folder;
    private readonly ResamplerModel _model;
    private readonly PatchGrid _grid;
    private readonly float[] _features;
    private readonly ReferenceExplanation _expected;

    /// <summary>Draws a model.</summary>
    public AccuracyModel(int seed)
    {
        Random random = new(seed);
        int Next(int[] values) => values[random.Next(values.Length)];
        int width = Next(s_widths);
        int scopes = random.Next(1, 4);
        int side = Next(s_sides);
        string[] priors =
        [
            """{ "name": "local", "prior": "window", "window": [4, 4] }""",
            """{ "name": "global", "prior": "none" }""",
            """{ "name": "near", "prior": "gaussian", "sigma": [3, 3] }""",
        ];
        const string Gate = """ "gate": { "type": "mlp", "hidden_size": 128, "granularity": "token" },""";
        byte[] json = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $$"""
            {
              "model_type": "ms_resampler",
              "vision_hidden_size": {{Next(s_widths)}}, "hidden_size": {{width}},
              "num_attention_heads": {{Next(s_heads)}}, "query_grid": [{{Next(s_queries)}}, {{Next(s_queries)}}],
              "output_size": {{2 * width}}, "scopes": [{{string.Join(", ", priors.Take(scopes))}}],
              "share_queries": false, "share_kv": {{(random.Next(2) == 0 ? "true" : "false")}},
              "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
              {{(scopes > 1 ? Gate : "")}}
              "layer_norm_eps": 1e-6, "torch_dtype": "float32"
            }
            """));
        List<string> problems = [];
        ResamplerConfig config = ConfigReader.Read(json, "accuracy", problems);
        _folder = Directory.CreateTempSubdirectory("ms-resampler-accuracy-");
        RandomModel.Write(_folder.FullName, config, json, (ulong)seed);
        _model = ResamplerModel.Open(_folder.FullName);
        _grid = new PatchGrid(side, side);
        _features = new float[_grid.PatchCount * config.VisionHiddenSize];
        for (int index = 0; index < _features.Length; index++)
            _features[index] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                * Math.Cos(2 * Math.PI * random.NextDouble()));
        _expected = ReferenceResampler.Load(_model).Explain(_features, _grid);
    }

    /// <summary>The relative L2 error of the tokens, and the share of queries and heads whose largest attention weight
    /// is at the same patch as in the reference.</summary>
    public (double Error, double Agreement) Measure(ModelLayers layers)
    {
        using Resampler engine = Resampler.Load(_model,
            new ResamplerOptions { Precision = Precision.Int8, Int8Layers = layers, ThreadCount = 1 });
        Explanation found = engine.Explain(_features, _grid);
        float[] tokens = new float[_expected.Tokens.Length];
        engine.Resample(_features, [_grid], tokens);
        double error = 0, norm = 0;
        for (int index = 0; index < tokens.Length; index++)
        {
            error += Math.Pow(tokens[index] - _expected.Tokens[index], 2);
            norm += Math.Pow(_expected.Tokens[index], 2);
        }

        return (Math.Sqrt(error / norm), AgreementOf(found));
    }

    public void Dispose()
    {
        _model.Dispose();
        _folder.Delete(recursive: true);
    }

    private double AgreementOf(Explanation found)
    {
        int same = 0, count = 0;
        int patches = (int)_grid.PatchCount;
        for (int scope = 0; scope < _model.Config.Scopes.Count; scope++)
        {
            for (int head = 0; head < _model.Config.AttentionHeadCount; head++)
            {
                ReadOnlySpan<float> weights = found.Attention(scope, head);
                double[] expected = _expected.Attention(scope, head);
                for (int query = 0; query < expected.Length / patches; query++, count++)
                {
                    ReadOnlySpan<float> row = weights.Slice(query * patches, patches);
                    double[] exact = expected[(query * patches)..((query + 1) * patches)];
                    if (TensorPrimitives.IndexOfMax(row) == Array.IndexOf(exact, exact.Max()))
                        same++;
                }
            }
        }

        return (double)same / count;
    }
}
