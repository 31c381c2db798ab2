using System.Text.Json;
using MsResampler.Cli.Display;
using MsResampler.Cli.Engines;
using MsResampler.Safetensors;
using MsResampler.Tests.Model;

namespace MsResampler.Tests.Cli;

/// <summary>Models with integers for weights, written and read by the command.</summary>
internal sealed class IntegerModelTests : CliFixture
{
    [Test]
    public void Layers_have_names()
    {
        for (ModelLayers layers = ModelLayers.None; layers <= ModelLayers.All; layers++)
            Assert.That(LayerNames.Parse(LayerNames.Of(layers)), Is.EqualTo(layers));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(LayerNames.Of(ModelLayers.Keys | ModelLayers.Gate), Is.EqualTo("k_proj,gate"));
            Assert.That(LayerNames.Parse("gate,k_proj,gate"), Is.EqualTo(ModelLayers.Keys | ModelLayers.Gate));
            Assert.That(LayerNames.Parse(" gate, k_proj "), Is.EqualTo(ModelLayers.Keys | ModelLayers.Gate));
            foreach (string text in new[] { "", ",", "K_proj", "gate,,proj", "all,gate", "63", "Keys" })
                Assert.That(LayerNames.Parse(text), Is.Null, text);
        }
    }

    [TestCase(null, ModelLayers.Keys | ModelLayers.Gate)]
    [TestCase("all", ModelLayers.All)]
    [TestCase("none", ModelLayers.None)]
    [TestCase("proj,kv_proj", ModelLayers.Projection | ModelLayers.KeyValueInput)]
    public void Convert_stores_the_layers_that_are_named(string? names, ModelLayers layers)
    {
        string folder = In($"integers-{names}");
        string[] option = names is null ? [] : ["--int8-layers", names];
        CliRun run = CliRun.Of(["convert", "--model", Model, "--out", folder, "--dtype", "int8", .. option]).Succeeds();
        using ResamplerModel original = ResamplerModel.Open(Model);
        using ResamplerModel written = ResamplerModel.Open(folder);
        long parameterCount = original.Checkpoint!.Tensors.Sum(tensor => tensor.ElementCount);
        using (Assert.EnterMultipleScope())
        {
            foreach ((string name, ModelLayers layer, WeightTensor weight) in
                IntegerModels.Matrices(written.Weights))
            {
                Assert.That(weight.Type, Is.EqualTo(layer == ModelLayers.None ? TensorType.F32
                    : layers.HasFlag(layer) ? TensorType.I8 : TensorType.I16), name);
            }

            Assert.That(run.Output, Does.Contain($": {Quantity.Scaled(parameterCount)}parameters"),
                "scales are no parameters");
            Assert.That(File.ReadAllText(Path.Combine(folder, "config.json")),
                Does.Contain("\"torch_dtype\": \"float32\""));
        }
    }

    [Test]
    public void A_model_of_integers_is_converted_back_and_has_the_same_tokens()
    {
        string features = WriteFeatures("features.safetensors", ("features", [3, 2, ChannelCount],
            Values(6 * ChannelCount, 1)));
        CliRun.Of("convert", "--model", Model, "--out", In("whole"), "--dtype", "int8").Succeeds();
        CliRun.Of("convert", "--model", In("whole"), "--out", In("back"), "--dtype", "f32").Succeeds();
        CliRun.Of("convert", "--model", In("whole"), "--out", In("copy")).Succeeds();
        float[][] tokens = [.. new[] { "whole", "back", "copy" }.Select(name =>
        {
            string output = In(name + ".safetensors");
            CliRun.Of("run", "--model", In(name), "--features", features, "--out", output, "--precision", "float32")
                .Succeeds();
            return ReadTokens(output, out _);
        })];
        string bits = In("bits.safetensors");
        CliRun.Of("run", "--model", In("whole"), "--features", features, "--out", bits).Succeeds();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens[1], Is.EqualTo(tokens[0]));
            Assert.That(tokens[2], Is.EqualTo(tokens[0]));
            Assert.That(ReadTokens(bits, out _), Is.Not.EqualTo(tokens[0]), "by default integers are multiplied");
            Assert.That(File.ReadAllBytes(In("copy/model.safetensors")),
                Is.EqualTo(File.ReadAllBytes(In("whole/model.safetensors"))));
            CliRun.Of("verify", "--model", In("whole"), "--backend", "cpu").Succeeds();
            CliRun.Of("export-onnx", "--model", In("whole"), "--out", In("whole.onnx")).Succeeds();
        }
    }

    [Test]
    public void Inspect_shows_what_convert_writes()
    {
        using TestModel outlier = new(Configs.Mixed, edit: tensor => tensor.Name != "proj.weight" ? tensor : tensor with
        {
            ValueAt = index => tensor.ValueAt(index) * (index % tensor.Shape[^1] == 0 ? 100 : 1),
        });
        string[] sources = [Model, WriteIntegers("from-bytes", "all"), WriteIntegers("from-shorts", "none"),
            Path.GetDirectoryName(outlier.Model.SourcePath)!];
        foreach (string source in sources)
        {
            string written = In(Path.GetFileName(source) + "-again");
            CliRun conversion = CliRun.Of("convert", "--model", source, "--out", written, "--dtype", "int8",
                "--int8-layers", "gate,proj");
            Assert.That(conversion.ExitCode, Is.Zero, conversion.Error);
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(written);
            string bytes = Quantity.Count(checkpoint.Tensors.Sum(tensor => tensor.ByteCount));
            string output = CliRun.Of("inspect", source, "--int8-layers", "gate,proj").Succeeds().Output;
            Assert.That(output, Does.Match($@"\nconverted to int8, 8 bits in gate,proj +{bytes}\n"), source);
        }

        string types = CliRun.Of("inspect", In("from-bytes")).Succeeds().Output;
        Assert.That(types, Does.Match(@"\nI8 +12 +\d+\n").And.Match(@"\nkv_proj\.weight_scale +F32 +\[8\] +32\n"));

        string WriteIntegers(string name, string layers)
        {
            CliRun.Of("convert", "--model", Model, "--out", In(name), "--dtype", "int8", "--int8-layers", layers)
                .Succeeds();
            return In(name);
        }
    }

    /// <summary>Without options, a stored model has the layers that it was converted for.</summary>
    [TestCase("k_proj,gate", "k_proj,gate")]
    [TestCase("v_proj, proj", "v_proj,proj")]
    [TestCase("all", "all")]
    [TestCase("none", "none")]
    public void Layers_follow_from_stored_integers(string asked, string expected)
    {
        string stored = In("follow-" + expected);
        CliRun.Of("convert", "--model", Model, "--out", stored, "--dtype", "int8", "--int8-layers", asked).Succeeds();
        string json = In("bench.json");
        CliRun.Of("bench", "--model", stored, "--grid", "3x4", "--seconds", "0.05", "--json", json).Succeeds();
        using JsonDocument report = JsonDocument.Parse(File.ReadAllText(json));
        Assert.That(report.RootElement.GetProperty("int8_layers").GetString(), Is.EqualTo(expected));
        string again = In("again-" + expected);
        CliRun.Of("convert", "--model", stored, "--out", again, "--dtype", "int8").Succeeds();
        Assert.That(File.ReadAllBytes(Path.Combine(again, "model.safetensors")),
            Is.EqualTo(File.ReadAllBytes(Path.Combine(stored, "model.safetensors"))));
        CliRun other = CliRun.Of("convert", "--model", stored, "--out", In("other-" + expected), "--dtype", "int8",
            "--int8-layers", "out_proj");
        Assert.That(other.ExitCode, Is.Zero);
        Assert.That(other.Error, Does.Contain("are rounded a second time"));
    }

    [TestCase("k_proj,gate")]
    [TestCase("all")]
    [TestCase("none")]
    public void Stored_integers_give_the_tokens_of_integer_products(string layers)
    {
        string features = WriteFeatures("features.safetensors", ("features", [3, 2, ChannelCount],
            Values(6 * ChannelCount, 1)));
        string stored = In($"stored-{layers}");
        CliRun.Of("convert", "--model", Model, "--out", stored, "--dtype", "int8", "--int8-layers", layers).Succeeds();
        float[][] tokens = [.. new[] { Model, stored }.Select(model =>
        {
            string output = In("tokens.safetensors");
            CliRun run = CliRun.Of("run", "--model", model, "--features", features, "--out", output, "--precision",
                "int8", "--int8-layers", layers).Succeeds();
            Assert.That(run.Output, Does.Contain("int8"));
            return ReadTokens(output, out _);
        })];
        CliRun.Of("run", "--model", Model, "--features", features, "--out", In("float.safetensors")).Succeeds();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens[1], Is.EqualTo(tokens[0]));
            Assert.That(ReadTokens(In("float.safetensors"), out _), Is.Not.EqualTo(tokens[0]));
        }
    }

    [Test]
    public void Verify_has_a_bound_for_the_layers_that_are_named()
    {
        // Widths 12 and 8 have levels of 13,377 and 16,383, the 24 inputs of the gate 9,459, the 192 keys of attention
        // 3,344.
        (string Layers, string Bound)[] cases =
            [("none", "7.0e-04"), ("gate", "1.6e-02"), ("k_proj,gate", "2.2e-02"), ("all", "4.2e-02")];
        using (Assert.EnterMultipleScope())
        {
            foreach ((string layers, string bound) in cases)
            {
                Assert.That(CliRun.Of("verify", "--model", Model, "--precision", "int8", "--int8-layers", layers)
                    .Succeeds().Output, Does.Contain($"all 6 within {bound}").And.Contain("same bits"));
            }

            CliRun bad = CliRun.Of("verify", "--model", Model, "--precision", "int8", "--bound", "1e-6");
            Assert.That(bad.ExitCode, Is.EqualTo(1));
            Assert.That(bad.Output, Does.Contain("6 of 6 FAILED"));
        }
    }

    [Test]
    public void The_bound_holds_for_random_models([Range(0, 23)] int index,
        [Values(ModelLayers.None, ModelLayers.Keys | ModelLayers.Gate, ModelLayers.All)] ModelLayers layers)
    {
        RandomCase random = new(index);
        using TestModel model = new(random.Config, random.Options, seed: (ulong)index);
        PatchGrid grid = random.Grids[0];
        float[] features = model.RandomFeatures(grid, index);
        using Resampler resampler = Resampler.Load(model.Model, new ResamplerOptions
        {
            Precision = Precision.Int8,
            Int8Layers = layers,
            ThreadCount = 1,
        });
        float[] tokens = new float[random.Config.QueryGrid.QueryCount * random.Config.OutputSize];
        resampler.Resample(features, [grid], tokens);
        double error = Deviation.Between(tokens, model.Reference.Resample(features, grid)).RelativeL2;
        Assert.That(error, Is.LessThan(Deviation.Int8BoundOf(model.Model.Weights, layers)), $"{random}");
    }

    [Test]
    public void Layers_need_integers()
        => CliRun.Of("bench", "--model", Model, "--grid", "3x4", "--int8-layers", "none").FailsNaming(
            "--int8-layers can only be used with --precision int8, or with a model of integers",
            "found --precision auto and a model of floats");

    [Test]
    public void Bench_reports_precision_and_layers()
    {
        foreach ((string[] options, string precision, string? layers) in new (string[], string, string?)[]
        {
            ([], "float32", null), (["--precision", "int8"], "int8", "k_proj,gate"),
            (["--precision", "int8", "--int8-layers", "proj,kv_proj"], "int8", "kv_proj,proj"),
        })
        {
            CliRun.Of(["bench", "--model", Model, "--grid", "3x4", "--seconds", "0.05", "--json", In("bench-int8.json"),
                .. options]).Succeeds();
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(In("bench-int8.json")));
            using (Assert.EnterMultipleScope())
            {
                Assert.That(json.RootElement.GetProperty("precision").GetString(), Is.EqualTo(precision));
                Assert.That(json.RootElement.TryGetProperty("int8_layers", out JsonElement found)
                    ? found.GetString() : null, Is.EqualTo(layers));
            }
        }
    }

    [Test]
    public void A_scale_that_is_missing_is_one_line()
    {
        CliRun.Of("convert", "--model", Model, "--out", In("damaged"), "--dtype", "int8").Succeeds();
        string path = In("damaged/model.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        int place = bytes.AsSpan().IndexOf("gate.fc1.weight_scale"u8);
        bytes[place] = (byte)'G';
        File.WriteAllBytes(path, bytes);
        CliRun.Of("inspect", In("damaged")).FailsNaming("'gate.fc1.weight_scale'",
            "expected the scales of the rows of 'gate.fc1.weight', F32 [4], as its type is I8; found no such tensor",
            "'Gate.fc1.weight_scale'");
    }
}
