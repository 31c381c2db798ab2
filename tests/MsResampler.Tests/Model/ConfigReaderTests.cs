using System.Text;
using System.Text.Json.Nodes;
using MsResampler.Tests.Safetensors;

namespace MsResampler.Tests.Model;

public class ConfigReaderTests
{
    private const string Valid = """
        {
          "model_type": "ms_resampler",
          "vision_hidden_size": 1024, "hidden_size": 512, "num_attention_heads": 16,
          "query_grid": [12, 10], "output_size": 4096,
          "scopes": [
            { "name": "local",  "prior": "window",   "window": [4, 5], "border": "shift" },
            { "name": "region", "prior": "gaussian", "sigma": [4.0, 0.5], "window": [0.5, 0.25], "units": "fraction" },
            { "name": "global", "prior": "none" }
          ],
          "share_queries": true, "share_kv": false,
          "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
          "gate": { "type": "mlp", "hidden_size": 256, "granularity": "head" },
          "layer_norm_eps": 1e-6, "torch_dtype": "bfloat16"
        }
        """;

    private static ResamplerConfig Read(string json, out List<string> warnings)
    {
        warnings = [];
        return ConfigReader.Read(Encoding.UTF8.GetBytes(json), "c.json", warnings);
    }

    private static IReadOnlyList<string> Problems(string json)
        => Assert.Throws<InvalidModelException>(() => Read(json, out _))!.Problems;

    /// <summary>The valid configuration with the field at <paramref name="path"/> replaced, or removed for a null
    /// <paramref name="json"/>.</summary>
    private static string With(string path, string? json, string original = Valid)
    {
        JsonNode root = JsonNode.Parse(original)!;
        string[] parts = path.Split('.');
        JsonNode parent = root;
        foreach (string part in parts[..^1])
            parent = int.TryParse(part, out int index) ? parent[index]! : parent[part]!;
        if (parent is JsonArray array)
            array[int.Parse(parts[^1])] = JsonNode.Parse(json!);
        else if (json is null)
            parent.AsObject().Remove(parts[^1]);
        else
            parent.AsObject()[parts[^1]] = JsonNode.Parse(json);
        return root.ToJsonString();
    }

    [Test]
    public void Every_field_is_read()
    {
        ResamplerConfig config = Read(Valid, out List<string> warnings);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(warnings, Is.Empty);
            Assert.That(config with { Scopes = [] }, Is.EqualTo(new ResamplerConfig
            {
                VisionHiddenSize = 1024,
                HiddenSize = 512,
                AttentionHeadCount = 16,
                QueryGrid = new QueryGrid(12, 10),
                OutputSize = 4096,
                Scopes = [],
                ShareQueries = true,
                ShareKeyValues = false,
                PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None),
                Gate = new GateConfig(256, GateGranularity.Head),
                LayerNormEpsilon = 1e-6,
                TorchDType = WeightType.BFloat16,
            }));
            Assert.That(config.Scopes, Is.EqualTo(new ScopeConfig[]
            {
                new()
                {
                    Name = "local",
                    Prior = ScopePrior.Window,
                    Window = new AxisPair(4, 5),
                    Border = WindowBorder.Shift,
                },
                new()
                {
                    Name = "region",
                    Prior = ScopePrior.Gaussian,
                    Sigma = new AxisPair(4, 0.5),
                    Window = new AxisPair(0.5, 0.25),
                    Units = ScopeUnits.Fraction,
                },
                new() { Name = "global", Prior = ScopePrior.None },
            }));
            Assert.That(config.HeadSize, Is.EqualTo(32));
            Assert.That(config.GateGroupCount, Is.EqualTo(16));
        }
    }

    [TestCase("float32", WeightType.Float32)]
    [TestCase("float16", WeightType.Float16)]
    [TestCase("bfloat16", WeightType.BFloat16)]
    [TestCase("float64", WeightType.Float64)]
    public void Every_weight_type_is_read(string name, WeightType expected)
        => Assert.That(Read(With("torch_dtype", $"\"{name}\""), out _).TorchDType, Is.EqualTo(expected));

    [TestCase("""{"dtype":"float16"}""", WeightType.Float16)]
    [TestCase("""{"dtype":"float64","torch_dtype":null}""", WeightType.Float64)]
    [TestCase("""{"dtype":null,"torch_dtype":"float16"}""", WeightType.Float16)]
    [TestCase("""{"dtype":"bfloat16","torch_dtype":"bfloat16"}""", WeightType.BFloat16)]
    [TestCase("""{"dtype":null,"torch_dtype":null}""", WeightType.Float32)]
    [TestCase("{}", WeightType.Float32)]
    public void The_weight_type_has_two_field_names_and_is_optional(string fields, WeightType expected)
    {
        string json = With("torch_dtype", null);
        if (fields != "{}")
            json = json[..^1] + "," + fields[1..];

        Assert.That(Read(json, out List<string> warnings).TorchDType, Is.EqualTo(expected));
        Assert.That(warnings, Is.Empty);
    }

    [Test]
    public void Of_two_weight_types_the_newer_field_wins_with_a_warning()
    {
        ResamplerConfig config = Read(With("dtype", "\"float16\""), out List<string> warnings);

        Assert.That(config.TorchDType, Is.EqualTo(WeightType.Float16));
        Assert.That(warnings, Is.EqualTo(new[] { "field 'torch_dtype' was ignored: 'dtype' has another value" }));
    }

    [Test]
    public void A_byte_order_mark_is_skipped()
    {
        byte[] json = [0xef, 0xbb, 0xbf, .. Encoding.UTF8.GetBytes(Valid)];
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("c.json"), json);

        Assert.That(ConfigReader.Read(json, "c.json", []).OutputSize, Is.EqualTo(4096));
        Assert.That(ConfigReader.ReadFile(folder.File("c.json"), []).OutputSize, Is.EqualTo(4096));
        Assert.That(ConfigReader.ReadBytes(folder.File("c.json")), Is.EqualTo(json[3..]));
        Assert.That(() => ConfigReader.Read(new byte[] { 0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, (byte)'{', (byte)'}' },
            "c.json", []), Throws.TypeOf<InvalidModelException>(), "one mark");
    }

    [Test]
    public void A_file_of_another_format_in_its_place_is_recognised([ValueSource(typeof(FileKindTests),
        nameof(FileKindTests.Kinds))] FileKindTests.Kind kind)
    {
        InvalidModelException error =
            Assert.Throws<InvalidModelException>(() => ConfigReader.Read(kind.Bytes, "c.json", []))!;

        Assert.That(error.Message, Does.StartWith($"c.json: expected JSON, found ").And.Contain(kind.Name));
    }

    [TestCase("sincos2d", PositionEmbeddingType.SinCos2D)]
    [TestCase("stored", PositionEmbeddingType.Stored)]
    [TestCase("none", PositionEmbeddingType.None)]
    public void Every_position_type_is_read(string name, PositionEmbeddingType expected)
    {
        PositionEmbeddingConfig position =
            Read(With("position_embedding.type", $"\"{name}\""), out List<string> warnings).PositionEmbedding;

        Assert.That(position, Is.EqualTo(new PositionEmbeddingConfig(expected, PositionEmbeddingType.None)));
        Assert.That(warnings, Is.Empty);
    }

    [Test]
    public void Positions_are_read_by_side([Values] PositionEmbeddingType keys, [Values] PositionEmbeddingType queries,
        [Values] FrameEmbeddingType frames)
    {
        PositionEmbeddingConfig expected = new(keys, queries, frames);

        ResamplerConfig config = ConfigReader.Read(
            Encoding.UTF8.GetBytes(ConfigJson.Of(Configs.Mixed with { PositionEmbedding = expected })), "c.json",
            new List<string>());

        Assert.That(config.PositionEmbedding, Is.EqualTo(expected));
    }

    [Test]
    public void Optional_fields_have_defaults()
    {
        ResamplerConfig config = Read(With("scopes",
            """[{"name":"a","prior":"window","window":[1,2]},{"name":"b","prior":"gaussian","sigma":[1,2]}]"""), out _);

        Assert.That(config.Scopes, Is.EqualTo(new ScopeConfig[]
        {
            new()
            {
                Name = "a",
                Prior = ScopePrior.Window,
                Window = new AxisPair(1, 2),
                Border = WindowBorder.Clip,
                Units = ScopeUnits.Patches,
            },
            new()
            {
                Name = "b",
                Prior = ScopePrior.Gaussian,
                Sigma = new AxisPair(1, 2),
                Window = null,
                Units = ScopeUnits.Patches,
            },
        }));
    }

    [Test]
    public void Position_none_needs_no_flags()
    {
        ResamplerConfig config = Read(With("position_embedding", """{"type":"none"}"""), out _);

        Assert.That(config.PositionEmbedding,
            Is.EqualTo(new PositionEmbeddingConfig(PositionEmbeddingType.None, PositionEmbeddingType.None)));
    }

    [Test]
    public void One_scope_has_no_gate([Values] bool isGateGiven)
    {
        string json = With("scopes", """[{"name":"a","prior":"none"}]""");

        ResamplerConfig config = Read(isGateGiven ? json : With("gate", null, json), out List<string> warnings);

        Assert.That(config.Gate, Is.Null);
        Assert.That(config.GateGroupCount, Is.EqualTo(1));
        Assert.That(warnings, Is.Empty);
    }

    private const string Extent = "a whole number from 1 to 16777216";
    private const string Flag = "true or false";
    private const string Pair = "2 whole numbers from 1 to 2147483647";
    private const string Positives = "2 positive numbers";
    private const string Priors = "one of \"none\", \"window\", \"gaussian\"";
    private const string Types = "one of \"float32\", \"float16\", \"bfloat16\", \"float64\"";

    [TestCase("model_type", null, "\"ms_resampler\"")]
    [TestCase("model_type", "\"llava\"", "\"ms_resampler\"")]
    [TestCase("vision_hidden_size", null, Extent)]
    [TestCase("vision_hidden_size", "0", Extent)]
    [TestCase("vision_hidden_size", "-1", Extent)]
    [TestCase("vision_hidden_size", "1.5", Extent)]
    [TestCase("vision_hidden_size", "\"8\"", Extent)]
    [TestCase("vision_hidden_size", "16777217", Extent)]
    [TestCase("vision_hidden_size", "99999999999999999999", Extent)]
    [TestCase("hidden_size", null, Extent)]
    [TestCase("hidden_size", "500", "a multiple of num_attention_heads (16)")]
    [TestCase("num_attention_heads", null, Extent)]
    [TestCase("num_attention_heads", "true", Extent)]
    [TestCase("num_attention_heads", "0", Extent)]
    [TestCase("query_grid", null, "2 whole numbers from 1 to 16777216")]
    [TestCase("query_grid", "12", "2 whole numbers from 1 to 16777216")]
    [TestCase("query_grid", "[12]", "2 whole numbers from 1 to 16777216")]
    [TestCase("query_grid", "[1,2,3]", "2 whole numbers from 1 to 16777216")]
    [TestCase("query_grid", "[12,0]", "2 whole numbers from 1 to 16777216")]
    [TestCase("query_grid", "[5000,5000]", "at most 16777216 queries", "5000x5000")]
    [TestCase("output_size", null, Extent)]
    [TestCase("output_size", "{}", Extent)]
    [TestCase("scopes", null, "a non-empty array")]
    [TestCase("scopes", "[]", "a non-empty array")]
    [TestCase("scopes", "{}", "a non-empty array")]
    [TestCase("scopes.0.name", null, "a non-empty string")]
    [TestCase("scopes.0.name", "\"\"", "a non-empty string")]
    [TestCase("scopes.0.name", "1", "a non-empty string")]
    [TestCase("scopes.2.prior", null, Priors)]
    [TestCase("scopes.2.prior", "\"Window\"", Priors)]
    [TestCase("scopes.0.window", null, Pair)]
    [TestCase("scopes.0.window", "[4]", Pair)]
    [TestCase("scopes.0.window", "[0,4]", Pair)]
    [TestCase("scopes.0.window", "[2.5,4]", Pair)]
    [TestCase("scopes.0.window", "[4,2147483648]", Pair)]
    [TestCase("scopes.1.window", "[0,0.5]", Positives)]
    [TestCase("scopes.1.window", "[0.5,1e999]", Positives)]
    [TestCase("scopes.0.border", "\"wrap\"", "one of \"clip\", \"shift\"")]
    [TestCase("scopes.0.border", "null", "one of \"clip\", \"shift\"")]
    [TestCase("scopes.1.sigma", null, Positives)]
    [TestCase("scopes.1.sigma", "[1,0]", Positives)]
    [TestCase("scopes.1.sigma", "[-1,1]", Positives)]
    [TestCase("scopes.1.sigma", "[1]", Positives)]
    [TestCase("scopes.1.sigma", "4", Positives)]
    [TestCase("scopes.2.units", "\"pixels\"", "one of \"patches\", \"fraction\"")]
    [TestCase("share_queries", null, Flag)]
    [TestCase("share_queries", "\"true\"", Flag)]
    [TestCase("share_kv", null, Flag)]
    [TestCase("share_kv", "0", Flag)]
    [TestCase("position_embedding", null, "an object")]
    [TestCase("position_embedding", "\"sincos2d\"", "an object")]
    [TestCase("position_embedding.type", null, "one of \"sincos2d\", \"stored\", \"none\"")]
    [TestCase("position_embedding.type", "\"rope\"", "one of \"sincos2d\", \"stored\", \"none\"")]
    [TestCase("position_embedding.keys", null, Flag)]
    [TestCase("position_embedding.queries", "1", Flag)]
    [TestCase("gate", null, "an object")]
    [TestCase("gate", "[]", "an object")]
    [TestCase("gate.type", "\"linear\"", "\"mlp\"")]
    [TestCase("gate.hidden_size", "0", Extent)]
    [TestCase("gate.granularity", "\"patch\"", "one of \"token\", \"head\"")]
    [TestCase("layer_norm_eps", null, "a positive number")]
    [TestCase("layer_norm_eps", "0", "a positive number")]
    [TestCase("layer_norm_eps", "-1e-6", "a positive number")]
    [TestCase("layer_norm_eps", "1e999", "a positive number")]
    [TestCase("layer_norm_eps", "\"1e-6\"", "a positive number")]
    [TestCase("torch_dtype", "\"int8\"", Types)]
    [TestCase("torch_dtype", "32", Types)]
    [TestCase("dtype", "\"torch.float32\"", Types)]
    public void A_wrong_field_is_named_with_the_expected_and_found_value(string path, string? json, string expected,
        string? found = null)
    {
        string name = System.Text.RegularExpressions.Regex.Replace(path, @"\.(\d+)", "[$1]");

        Assert.That(Problems(With(path, json)),
            Is.EqualTo(new[] { $"field '{name}': expected {expected}, found {found ?? json ?? "nothing"}" }));
    }

    [Test]
    public void Sincos_positions_need_a_width_that_is_a_multiple_of_4()
    {
        string json = With("num_attention_heads", "1", With("hidden_size", "510"));

        Assert.That(Problems(json), Is.EqualTo(new[] { "field 'position_embedding.type': expected a hidden_size that " +
            "is a multiple of 4 for sincos2d, found hidden_size 510" }));
    }

    [Test]
    public void More_scopes_than_can_be_stacked_are_rejected()
    {
        string scopes = $"[{string.Join(',', Enumerable.Repeat("""{"name":"a","prior":"none"}""", 129))}]";
        string json = With("scopes", scopes, With("hidden_size", "16777216"));

        Assert.That(Problems(json), Is.EqualTo(new[] {
            "field 'scopes': expected at most 127 scopes of hidden_size 16777216, found 129" }));
    }

    [Test]
    public void A_huge_number_of_scopes_is_rejected([Values(1024, 1025)] int count)
    {
        string scopes = $"[{string.Join(',', Enumerable.Repeat("""{"name":"a","prior":"none"}""", count))}]";
        string json = With("scopes", scopes);

        if (count == 1024)
            Assert.That(Read(json, out _).Scopes, Has.Count.EqualTo(1024));
        else
            Assert.That(Problems(json), Is.EqualTo(new[] {
                "field 'scopes': expected at most 1024 scopes of hidden_size 512, found 1025" }));
    }

    [Test]
    public void Text_from_the_file_is_escaped_and_shortened_in_messages()
    {
        Read(With($"a\u001b[2J\n{new string('x', 1000)}", "1"), out List<string> warnings);

        Assert.That(warnings.Single(), Does.Contain("'a\\u001b[2J\\u000a").And.Length.LessThan(200));
        Assert.That(warnings.Single().Any(char.IsControl), Is.False);
    }

    [Test]
    public void A_message_shows_five_problems_and_counts_the_others()
    {
        string[] problems = [.. Enumerable.Range(1, 7).Select(number => $"problem {number}")];

        InvalidModelException five = new("m", problems[..5]);
        InvalidModelException seven = new("m", problems);

        Assert.That(five.Message, Is.EqualTo("m: 5 problems: (1) problem 1; (2) problem 2; (3) problem 3; " +
            "(4) problem 4; (5) problem 5"));
        Assert.That(seven.Message, Is.EqualTo("m: 7 problems: (1) problem 1; (2) problem 2; (3) problem 3; " +
            "(4) problem 4; (5) problem 5; and 2 more"));
        Assert.That(seven.Problems, Is.EqualTo(problems));
    }

    [Test]
    public void All_problems_are_in_one_error()
    {
        string json = With("vision_hidden_size", "0", With("scopes.0.border", "\"wrap\"",
            With("scopes.1.sigma", null, With("gate.type", "7"))));

        InvalidModelException error = Assert.Throws<InvalidModelException>(() => Read(json, out _))!;

        Assert.That(error.SourcePath, Is.EqualTo("c.json"));
        Assert.That(error.Problems, Is.EquivalentTo(new[]
        {
            $"field 'vision_hidden_size': expected {Extent}, found 0",
            "field 'scopes[0].border': expected one of \"clip\", \"shift\", found \"wrap\"",
            $"field 'scopes[1].sigma': expected {Positives}, found nothing",
            "field 'gate.type': expected \"mlp\", found 7",
        }));
        Assert.That(error.Message, Does.StartWith("c.json: 4 problems: (1) ").And.Contains("(4) "));
    }

    [Test]
    public void Unknown_fields_cause_warnings_on_every_level()
    {
        string json = With("a", "1", With("scopes.0.b", "[1]", With("gate.c", "{}",
            With("position_embedding.d", "null", With("scopes.2.sigma", "[1,1]")))));

        Read(json, out List<string> warnings);

        Assert.That(warnings,
            Is.EquivalentTo(new[] { "a", "scopes[0].b", "gate.c", "position_embedding.d", "scopes[2].sigma" }
            .Select(field => $"unknown field '{field}' was ignored")));
    }

    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("3")]
    [TestCase("\"x\"")]
    public void The_root_must_be_an_object(string json)
        => Assert.That(Problems(json), Is.EqualTo(new[] { $"the root: expected an object, found {json}" }));

    [Test]
    public void A_scope_must_be_an_object()
        => Assert.That(Problems(With("scopes.1", "3")), Has.Member("field 'scopes[1]': expected an object, found 3"));

    [Test]
    public void A_long_value_is_shortened_in_the_error()
        => Assert.That(Problems(With("output_size", $"\"{new string('x', 1000)}\"")).Single(), Has.Length.LessThan(150)
            .And.EndsWith("xxx..."));

    [TestCase(" ")]
    [TestCase("{")]
    [TestCase("{}x")]
    [TestCase("{\"hidden_size\": 8,}")]
    [TestCase("{\"hidden_size\": 8, \"hidden_size\": 9}")]
    [TestCase("{\"gate\": {\"type\": \"mlp\", \"type\": \"mlp\"}}")]
    [TestCase("{\"a\": NaN}")]
    [TestCase("// a\n{}")]
    public void Text_that_is_not_JSON_is_rejected(string json)
        => Assert.That(Problems(json).Single(), Does.StartWith("expected JSON: "));

    [Test]
    public void Deep_nesting_is_rejected() => Assert.That(
        Problems($"{{\"a\":{new string('[', 100_000)}{new string(']', 100_000)}}}").Single(),
        Does.StartWith("expected JSON: "));

    [TestCase("name")]
    [TestCase("prior")]
    public void A_string_with_invalid_Unicode_is_rejected(string field)
    {
        string json = Valid.Replace($"\"{field}\": \"{(field == "name" ? "local" : "window")}\"",
            $"\"{field}\": \"\\ud800\"", StringComparison.Ordinal);

        Assert.That(() => Read(json, out _), Throws.TypeOf<InvalidModelException>());
    }

    [Test]
    public void A_field_name_with_invalid_Unicode_is_rejected()
        => Assert.That(() => Read("{\"\\ud800\": 1}", out _), Throws.TypeOf<InvalidModelException>());

    [Test]
    public void Bytes_that_are_not_UTF8_are_rejected()
    {
        byte[] json = Encoding.UTF8.GetBytes(Valid);
        json[Valid.IndexOf("local", StringComparison.Ordinal)] = 0xff;

        Assert.That(() => ConfigReader.Read(json, "c.json", []), Throws.TypeOf<InvalidModelException>());
    }

    [Test]
    public void A_file_is_read_and_named_in_errors()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("good.json"), Valid);
        File.WriteAllText(folder.File("bad.json"), "{");
        using (FileStream huge = File.Create(folder.File("huge.json")))
            huge.SetLength((16 << 20) + 1);
        byte[] largest = new byte[16 << 20];
        largest.AsSpan().Fill((byte)' ');
        Encoding.UTF8.GetBytes(Valid).CopyTo(largest, 0);
        File.WriteAllBytes(folder.File("largest.json"), largest);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(ConfigReader.ReadFile(folder.File("good.json"), []).OutputSize, Is.EqualTo(4096));
            Assert.That(() => ConfigReader.ReadFile(folder.File("bad.json"), []),
                Throws.TypeOf<InvalidModelException>().With.Message.StartsWith(folder.File("bad.json")));
            Assert.That(() => ConfigReader.ReadFile(folder.File("huge.json"), []),
                Throws.TypeOf<InvalidModelException>().With.Message.Contains("at most 16777216 bytes, found 16777217"));
            Assert.That(ConfigReader.ReadFile(folder.File("largest.json"), []).OutputSize, Is.EqualTo(4096));
            Assert.That(() => ConfigReader.ReadFile(folder.Path, []), Throws.TypeOf<InvalidModelException>()
                .With.Message.EqualTo($"{folder.Path}: expected a configuration file, found a folder"));
            if (OperatingSystem.IsLinux())
                Assert.That(() => ConfigReader.ReadFile("/dev/zero", []), Throws.TypeOf<InvalidModelException>()
                    .With.Message.EqualTo("/dev/zero: expected at most 16777216 bytes, found more"));
            Assert.That(() => ConfigReader.ReadFile(folder.File("none.json"), []),
                Throws.TypeOf<FileNotFoundException>());
        }
    }

    [Test]
    public void The_test_writer_of_configurations_agrees_with_the_reader([Values] ScopeUnits units)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(3, 4, WindowBorder.Shift, units),
            Configs.Gaussian(1, 2, new AxisPair(5, 6), units), Configs.None with { Units = units });

        ResamplerConfig read = Read(ConfigJson.Of(config), out List<string> warnings);

        Assert.That(read.Scopes, Is.EqualTo(config.Scopes));
        Assert.That(read with { Scopes = config.Scopes }, Is.EqualTo(config));
        Assert.That(warnings, Is.Empty);
    }
}
