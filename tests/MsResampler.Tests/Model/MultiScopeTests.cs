using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Models of one scope, written with several.</summary>
internal sealed class MultiScopeTests : TemporaryFolderFixture
{
    private const string Gate = """ "gate": { "type": "mlp", "hidden_size": 5, "granularity": "head" } """;
    private const string Sharing = """ "share_queries": true, "share_kv": false """;
    private const string Three = """
        "scopes": [{ "name": "a", "prior": "none" }, { "name": "b", "prior": "none" }, { "name": "c", "prior": "none" }]
        """;

    private const string Mixed = """
        "scopes": [{ "name": "a", "prior": "window", "window": [2, 2] }, { "name": "b", "prior": "none" },
            { "name": "c", "prior": "gaussian", "sigma": [0.2, 0.3], "units": "fraction" }]
        """;

    private static readonly PatchGrid s_grid = new(5, 4);

    // The reference computes in double precision; float32 values of the gate's weights do not matter, because its
    // second layer is zero.
    [Test]
    public void Without_windows_the_tokens_are_those_of_the_model([Values] bool sharesQueries, [Values] bool sharesKeys,
        [Values("token", "head")] string granularity, [Values] PositionEmbeddingType queries)
    {
        using TestModel original = new(BoundWeights.SingleConfig with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, queries),
        }, new RandomModelOptions { UsePublishedNames = true });
        string gate = Gate.Replace("head", granularity, StringComparison.Ordinal);
        string json = $$"""
            { {{Three}}, {{gate}}, "share_queries": {{Word(sharesQueries)}}, "share_kv": {{Word(sharesKeys)}} }
            """;
        Write(original.Model, json);
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        using Resampler resampler = Resampler.Load(written);
        float[] features = original.RandomFeatures(s_grid, seed: 3);
        float[] expected = new float[written.Config.QueryGrid.QueryCount * written.Config.OutputSize];
        float[] found = new float[expected.Length];
        original.Engine.Resample(features, [s_grid], expected);
        resampler.Resample(features, [s_grid], found);
        Assert.That(Tolerances.RelativeError(found, [.. expected.Select(value => (double)value)]),
            Is.LessThan(Tolerances.SinglePrecision / 3));
        Assert.That(written.Config.Gate!.Granularity,
            Is.EqualTo(granularity == "head" ? GateGranularity.Head : GateGranularity.Token));

        static string Word(bool value) => value ? "true" : "false";
    }

    [Test]
    public void With_windows_the_gate_is_neutral_and_can_be_trained()
    {
        using TestModel original = new(BoundWeights.SingleConfig);
        Write(original.Model, $$"""{ {{Mixed}}, {{Gate}}, {{Sharing}}, "query_grid": [3, 2] }""");
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        using Resampler resampler = Resampler.Load(written);
        Explanation explanation = resampler.Explain(original.RandomFeatures(s_grid, seed: 3), s_grid);
        float[] hidden = written.Weights.Gate!.Hidden.Weight.ToSingle();
        float[] output = written.Weights.Gate.Output.Weight.ToSingle();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(written.Config.QueryGrid, Is.EqualTo(new QueryGrid(3, 2)));
            Assert.That(explanation.Gate.ToArray(), Is.All.EqualTo(1 / 3f).Within(1e-7f));
            // With a random first layer, a change of the second one changes the weights of the scopes.
            Assert.That(hidden, Has.None.EqualTo(0f));
            Assert.That(hidden.Distinct().Count(), Is.GreaterThan(hidden.Length / 2));
            Assert.That(hidden.Average(value => value * value), Is.EqualTo(1d / (3 * 24)).Within(40).Percent);
            Assert.That(output, Is.All.EqualTo(0f));
        }
    }

    [Test]
    public void The_type_applies_to_every_tensor_and_the_bytes_are_reproducible()
    {
        using TestModel original = new(BoundWeights.SingleConfig);
        string json = $$"""{ {{Mixed}}, {{Gate}}, {{Sharing}} }""";
        Write(original.Model, json, WeightType.Float16);
        byte[] first = File.ReadAllBytes(Folder.File("model.safetensors"));
        Write(original.Model, json, WeightType.Float16);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.Path);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllBytes(Folder.File("model.safetensors")), Is.EqualTo(first));
            Assert.That(checkpoint.Tensors.Select(tensor => tensor.Type), Is.All.EqualTo(TensorType.F16));
        }
    }

    [Test]
    public void Scopes_beyond_the_largest_number_are_one_problem()
    {
        string json = $"{{ \"scopes\": [{string.Join(',', Enumerable.Repeat("1", 100_000))}], {Sharing}, {Gate} }}";
        InvalidModelException error = Assert.Throws<InvalidModelException>(
            () => ScopesReader.Read(Encoding.UTF8.GetBytes(json), "scopes.json", BoundWeights.SingleConfig, []))!;
        Assert.That(error.Problems, Has.Count.LessThan(10_000));
        Assert.That(error.Problems[0], Does.StartWith("field 'scopes': expected at most 1024 scopes"));
    }

    [TestCase("{}", "'scopes'", "'share_queries'", "'share_kv'")]
    [TestCase("[]", "the root", "an object")]
    [TestCase("", "expected JSON")]
    [TestCase("{ \"scopes\": [], SHARING }", "'scopes'", "a non-empty array")]
    [TestCase("{ THREE, SHARING }", "'gate'", "found nothing")]
    [TestCase("{ THREE, SHARING, \"gate\": { \"type\": \"mlp\", \"hidden_size\": 0 } }", "'gate.hidden_size'",
        "'gate.granularity'")]
    [TestCase("{ \"scopes\": [{ \"name\": \"a\", \"prior\": \"window\" }], SHARING }", "'scopes[0].window'")]
    [TestCase("{ THREE, GATE, \"share_queries\": 1, \"share_kv\": null }", "'share_queries'", "'share_kv'")]
    [TestCase("{ THREE, GATE, SHARING, \"query_grid\": [2, 4] }", "'query_grid'", "6 queries", "2x4")]
    [TestCase("{ THREE, GATE, SHARING, \"query_grid\": [65536, 65536] }", "'query_grid'")]
    [TestCase("{ THREE, GATE, SHARING, \"query_grid\": [16777216, 16777216] }", "'query_grid'")]
    [TestCase("{ THREE, GATE, SHARING, \"scopes\": [] }", "expected JSON")]
    public void A_wrong_field_is_named(string json, params string[] words)
    {
        json = json.Replace("THREE", Three, StringComparison.Ordinal).Replace("GATE", Gate, StringComparison.Ordinal)
            .Replace("SHARING", Sharing, StringComparison.Ordinal);
        InvalidModelException error = Assert.Throws<InvalidModelException>(
            () => ScopesReader.Read(Encoding.UTF8.GetBytes(json), "scopes.json", BoundWeights.SingleConfig, []))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error.Message, Does.StartWith("scopes.json: "));
            foreach (string word in words)
                Assert.That(error.Message, Does.Contain(word));
        }
    }

    [Test]
    public void A_gate_that_no_array_holds_is_refused()
    {
        ResamplerConfig config = BoundWeights.SingleConfig with { HiddenSize = 48 };
        string gate = Gate.Replace("5", "16777216", StringComparison.Ordinal);
        InvalidModelException error = Assert.Throws<InvalidModelException>(() => ScopesReader.Read(
            Encoding.UTF8.GetBytes($$"""{ {{Three}}, {{gate}}, {{Sharing}} }"""), "scopes.json", config, []))!;
        Assert.That(error.Message, Does.Contain("'gate.hidden_size': expected at most 14913080"));
    }

    [TestCase(PositionEmbeddingType.Stored, PositionEmbeddingType.None, "the table pos_embed")]
    [TestCase(PositionEmbeddingType.None, PositionEmbeddingType.Stored, "the table pos_embed")]
    [TestCase(PositionEmbeddingType.None, PositionEmbeddingType.SinCos2D, "the positions that the queries")]
    public void A_grid_on_which_positions_depend_stays(PositionEmbeddingType keys, PositionEmbeddingType queries,
        string reason)
    {
        ResamplerConfig config = BoundWeights.SingleConfig with { PositionEmbedding = new(keys, queries) };
        byte[] json = Encoding.UTF8.GetBytes($$"""{ {{Three}}, {{Gate}}, {{Sharing}}, "query_grid": [3, 2] }""");
        InvalidModelException error = Assert.Throws<InvalidModelException>(
            () => ScopesReader.Read(json, "scopes.json", config, []))!;
        Assert.That(error.Message, Does.Contain("'query_grid': expected 2x3").And.Contain(reason));
    }

    [Test]
    public void A_model_with_several_scopes_is_refused()
    {
        using TestModel original = new(Configs.Mixed);
        byte[] json = Encoding.UTF8.GetBytes($$"""{ {{Three}}, {{Gate}}, {{Sharing}} }""");
        InvalidModelException error = Assert.Throws<InvalidModelException>(
            () => ScopesReader.Read(json, "scopes.json", Configs.Mixed, []))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error.Message, Does.Contain("one scope").And.Contain("found 3"));
            Assert.Throws<ArgumentException>(
                () => ModelWriter.WriteWithScopes(Folder.Path, original.Model, Configs.Mixed));
        }
    }

    [Test]
    public void Another_width_or_a_missing_gate_is_refused()
    {
        using TestModel original = new(BoundWeights.SingleConfig);
        ResamplerConfig config = original.Model.Config;
        using (Assert.EnterMultipleScope())
        {
            Refuses(config with { OutputSize = 11 });
            Refuses(config with { LayerNormEpsilon = 1e-5 });
            Refuses(config with { Scopes = [Configs.None, Configs.None] });
            Refuses(config with { Gate = new GateConfig(3, GateGranularity.Token) });
            Refuses(config with { Scopes = [] });
            Refuses(config with { QueryGrid = new QueryGrid(2, 4) });
        }

        void Refuses(ResamplerConfig wrong) => Assert.Throws<ArgumentException>(
            () => ModelWriter.WriteWithScopes(Folder.Path, original.Model, wrong));
    }

    private void Write(ResamplerModel model, string json, WeightType? type = null)
    {
        List<string> warnings = [];
        ResamplerConfig config = ScopesReader.Read(Encoding.UTF8.GetBytes(json), "scopes.json", model.Config, warnings);
        Assert.That(warnings, Is.Empty);
        ModelWriter.WriteWithScopes(Folder.Path, model, config, type);
    }
}
