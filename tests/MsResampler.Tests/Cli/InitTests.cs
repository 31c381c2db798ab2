using MsResampler.Safetensors;

namespace MsResampler.Tests.Cli;

internal sealed class InitTests : CliFixture
{
    [Test]
    public void A_seed_determines_the_bytes()
    {
        byte[] first = Weights("seed-a", "--seed", "7");
        byte[] second = Weights("seed-b", "--seed", "7");
        byte[] other = Weights("seed-c", "--seed", "8");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(second, Is.EqualTo(first));
            Assert.That(other, Is.Not.EqualTo(first));
        }
    }

    [TestCase("f32", TensorType.F32, "float32")]
    [TestCase("f16", TensorType.F16, "float16")]
    [TestCase("bf16", TensorType.BF16, "bfloat16")]
    [TestCase("bfloat16", TensorType.BF16, "bfloat16")]
    public void The_type_applies_to_the_weights_and_the_configuration(string option, TensorType expected, string name)
    {
        string folder = In("type-" + option);
        CliRun.Of("init", "--config", In("config.json"), "--out", folder, "--dtype", option).Succeeds();
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(checkpoint.Tensors, Has.All.Property(nameof(TensorInfo.Type)).EqualTo(expected));
            Assert.That(File.ReadAllText(Path.Combine(folder, "config.json")),
                Does.Contain($"\"torch_dtype\": \"{name}\""));
        }
    }

    [Test]
    public void A_model_is_replaced_only_with_force()
    {
        byte[] before = Weights("forced");
        CliRun.Of("init", "--config", In("config.json"), "--out", In("forced"), "--seed", "9")
            .FailsNaming("forced", "--force");
        Assert.That(File.ReadAllBytes(In("forced/model.safetensors")), Is.EqualTo(before));
        Assert.That(Weights("forced", "--seed", "9", "--force"), Is.Not.EqualTo(before));
    }

    [Test]
    public void A_sharded_model_is_not_replaced_even_with_force()
    {
        Directory.CreateDirectory(In("sharded"));
        File.WriteAllText(In("sharded/model.safetensors.index.json"), "{}");
        CliRun.Of("init", "--config", In("config.json"), "--out", In("sharded"), "--force")
            .FailsNaming("sharded", "another folder");
    }

    [Test]
    public void A_bad_configuration_is_one_line_with_every_problem()
    {
        File.WriteAllText(In("bad.json"),
            Config.Replace("\"hidden_size\": 8", "\"hidden_size\": -8", StringComparison.Ordinal)
            .Replace("\"output_size\": 5,", "", StringComparison.Ordinal));
        CliRun.Of("init", "--config", In("bad.json"), "--out", In("bad"))
            .FailsNaming("bad.json", "hidden_size", "output_size");
        Assert.That(Directory.Exists(In("bad")), Is.False);
    }

    [Test]
    public void An_unknown_field_is_a_warning()
    {
        File.WriteAllText(In("extra.json"),
            Config.Replace("\"share_kv\"", "\"colour\": 1, \"share_kv\"", StringComparison.Ordinal));
        CliRun run = CliRun.Of("init", "--config", In("extra.json"), "--out", In("extra"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero);
            Assert.That(run.Error, Does.StartWith("warning: ").And.Contain("colour"));
        }
    }

    private byte[] Weights(string name, params string[] more)
    {
        CliRun.Of(["init", "--config", In("config.json"), "--out", In(name), .. more]).Succeeds();
        return File.ReadAllBytes(In(name + "/model.safetensors"));
    }
}
