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
            foreach (string text in new[] { "", ",", "K_proj", "gate, proj", "all,gate", "63", "Keys" })
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
            CliRun.Of("run", "--model", In(name), "--features", features, "--out", output).Succeeds();
            return ReadTokens(output, out _);
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens[1], Is.EqualTo(tokens[0]));
            Assert.That(tokens[2], Is.EqualTo(tokens[0]));
            Assert.That(File.ReadAllBytes(In("copy/model.safetensors")),
                Is.EqualTo(File.ReadAllBytes(In("whole/model.safetensors"))));
            CliRun.Of("verify", "--model", In("whole"), "--backend", "cpu").Succeeds();
            CliRun.Of("export-onnx", "--model", In("whole"), "--out", In("whole.onnx")).Succeeds();
        }
    }

    [Test]
    public void Inspect_shows_what_convert_writes()
    {
        string[] sources = [Model, WriteIntegers("from-bytes", "all"), WriteIntegers("from-shorts", "none")];
        foreach (string source in sources)
        {
            string written = In(Path.GetFileName(source) + "-again");
            CliRun.Of("convert", "--model", source, "--out", written, "--dtype", "int8", "--int8-layers", "gate,proj")
                .Succeeds();
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(written);
            string bytes = Quantity.Count(checkpoint.Tensors.Sum(tensor => tensor.ByteCount));
            string output = CliRun.Of("inspect", source, "--int8-layers", "gate,proj").Succeeds().Output;
            Assert.That(output, Does.Match($@"\nin int8, 8 bits in gate,proj +{bytes}\n"), source);
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
