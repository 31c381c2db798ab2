using MsResampler.Safetensors;
using MsResampler.Tests.Model;

namespace MsResampler.Tests.Cli;

internal sealed class ConvertTests : CliFixture
{
    private const string Scopes = """
        {
          "scopes": [{ "name": "near", "prior": "window", "window": [2, 2] }, { "name": "all", "prior": "none" }],
          "gate": { "type": "mlp", "hidden_size": 3, "granularity": "token" },
          "share_queries": true, "share_kv": true
        }
        """;

    [OneTimeSetUp]
    public void CreateModelOfOneScope()
    {
        string config = Config.Replace("""
                { "name": "local", "prior": "window", "window": [2, 2] },
                { "name": "soft", "prior": "gaussian", "sigma": [1.5, 1.5] },

            """, "", StringComparison.Ordinal);
        File.WriteAllText(In("single.json"), config);
        File.WriteAllText(In("scopes.json"), Scopes);
        CliRun run = CliRun.Of("init", "--config", In("single.json"), "--out", In("single"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
    }

    [Test]
    public void Tokens_of_a_converted_model_are_the_same()
    {
        string features = WriteFeatures("features.safetensors", ("features", [3, 2, ChannelCount],
            Values(6 * ChannelCount, 1)));
        CliRun.Of("convert", "--model", Model, "--out", In("f16"), "--dtype", "f16").Succeeds();
        CliRun.Of("convert", "--model", In("f16"), "--out", In("f32"), "--dtype", "float32").Succeeds();
        CliRun.Of("convert", "--model", In("f32"), "--out", In("again"), "--dtype", "float16").Succeeds();
        float[][] tokens = [.. new[] { "f16", "f32", "again" }.Select(name =>
        {
            string output = In(name + ".safetensors");
            CliRun.Of("run", "--model", In(name), "--features", features, "--out", output).Succeeds();
            return ReadTokens(output, out _);
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens[1], Is.EqualTo(tokens[0]));
            Assert.That(tokens[2], Is.EqualTo(tokens[0]));
            Assert.That(File.ReadAllBytes(In("again/model.safetensors")),
                Is.EqualTo(File.ReadAllBytes(In("f16/model.safetensors"))));
            Assert.That(File.ReadAllText(In("f16/config.json")), Does.Contain("\"torch_dtype\": \"float16\""));
        }
    }

    [Test]
    public void Scopes_are_added_and_inspected()
    {
        CliRun run = CliRun.Of("convert", "--model", In("single"), "--out", In("multi"), "--scopes", In("scopes.json"))
            .Succeeds();
        Assert.That(run.Output, Does.Contain("2 scopes"));
        CliRun.Of("verify", "--model", In("multi"), "--backend", "cpu").Succeeds();
        Assert.That(CliRun.Of("inspect", In("multi")).Output, Does.Contain("near").And.Contain("gate.fc2.weight"));
    }

    [Test]
    public void Problems_of_the_scopes_are_one_line()
    {
        CliRun.Of("convert", "--model", Model, "--out", In("none"), "--scopes", In("scopes.json"))
            .FailsNaming("scopes.json", "one scope", "found 3");
        File.WriteAllText(In("bad-scopes.json"), "{ \"scopes\": 1 }");
        CliRun.Of("convert", "--model", In("single"), "--out", In("none"), "--scopes", In("bad-scopes.json"))
            .FailsNaming("bad-scopes.json", "'scopes'", "'share_kv'");
        CliRun.Of("convert", "--model", In("single"), "--out", In("none"), "--scopes", In("no-scopes.json"))
            .FailsNaming("no-scopes.json", "no such file");
        Assert.That(Directory.Exists(In("none")), Is.False);
    }

    [Test]
    public void A_model_is_replaced_only_with_force()
    {
        CliRun.Of("convert", "--model", Model, "--out", In("forced")).Succeeds();
        byte[] before = File.ReadAllBytes(In("forced/model.safetensors"));
        CliRun.Of("convert", "--model", Model, "--out", In("forced"), "--dtype", "bfloat16")
            .FailsNaming("forced", "--force");
        Assert.That(File.ReadAllBytes(In("forced/model.safetensors")), Is.EqualTo(before));
        CliRun.Of("convert", "--model", Model, "--out", In("forced"), "--dtype", "bfloat16", "--force").Succeeds();
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(In("forced"));
        Assert.That(checkpoint.Tensors, Has.All.Property(nameof(TensorInfo.Type)).EqualTo(TensorType.BF16));
    }

    [TestCase("{0}/model")]
    [TestCase("{0}/./model/")]
    [TestCase("{0}/convert-link")]
    public void The_model_is_not_replaced_by_itself(string spelling)
    {
        if (!Directory.Exists(In("convert-link")))
            Directory.CreateSymbolicLink(In("convert-link"), Model);
        byte[] before = File.ReadAllBytes(In("model/model.safetensors"));
        CliRun.Of("convert", "--model", Model, "--out", string.Format(null, spelling, Folder), "--force")
            .FailsNaming("of the model", "must not be replaced");
        Assert.That(File.ReadAllBytes(In("model/model.safetensors")), Is.EqualTo(before));
    }

    [Test]
    public void The_folder_of_a_file_is_not_written_to()
    {
        Directory.CreateDirectory(In("alone"));
        SafetensorsWriter.Write(In("alone/resampler.safetensors"), PublishedFamily.Of("qwen-vl").Tensors());
        CliRun.Of("convert", "--model", In("alone/resampler.safetensors"), "--out", In("alone"))
            .FailsNaming("alone: the files of the model are in this folder");
        Assert.That(Directory.GetFiles(In("alone")), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_value_outside_the_range_leaves_no_folder()
    {
        Directory.CreateDirectory(In("large"));
        File.Copy(In("config.json"), In("large/config.json"));
        using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Model))
        {
            SafetensorsWriter.Write(In("large/model.safetensors"), [.. checkpoint.Tensors.Select(tensor =>
            {
                float[] values = new float[tensor.ElementCount];
                checkpoint.Read(tensor, 0, values);
                if (tensor.Name == "ln_kv.weight")
                    values[3] = -70000;
                return new TensorToWrite(tensor.Name, TensorType.F32, tensor.Shape, values);
            })]);
        }

        CliRun.Of("convert", "--model", In("large"), "--out", In("small"), "--dtype", "float16")
            .FailsNaming("'ln_kv.weight'", "-70000", "[3]", "65504");
        Assert.That(Directory.Exists(In("small")), Is.False);
    }

    [Test]
    public void A_full_disk_leaves_no_folder()
    {
        Skip.If(OperatingSystem.IsWindows(), "ulimit needs a Unix shell");
        // Two blocks of 512 or 1,024 bytes; the weights have more than 4 KiB.
        CliRun run = CliRun.OfShell("trap '' XFSZ\nulimit -f 2", "", "convert", "--model", Model, "--out", In("full"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(2));
            Assert.That(run.Error, Does.StartWith("error: ").And.Contain("model.safetensors"));
            Assert.That(Directory.Exists(In("full")), Is.False);
        }
    }
}
